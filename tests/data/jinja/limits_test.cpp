// What a template may take: every operation pays for the size of what it works on, and integers end at 127 bits. What
// is not refused here at once would take minutes or for ever. The values are Python's.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "data/chat/json_value.h"
#include "data/jinja/template.h"

namespace temper::jinja {
namespace {

std::string outcome(const std::string& source, std::vector<std::pair<std::string, Value>> variables = {},
                    const Limits& limits = {}) {
  try {
    return Template(source).render(std::move(variables), std::tm{}, limits).text.bytes();
  } catch (const TemplateError& error) {
    return error.name() + ": " + error.what();
  }
}

/// With m, which is -2^127.
std::string outcome_with_least(const std::string& expression) {
  return outcome("{% set m = -(2**126) * 2 %}{{ " + expression + " }}");
}

TEST(JinjaLimits, IntegersOfMoreThan127BitsAreRefused) {
  for (const char* expression :
       {"m // -1", "-m", "m | abs", "m - 1", "m * -1", "m * m", "2**127", "-(3**81)", "2**126 + 2**126",
        "(2**126 - 1) * 3", "-1 + m", "[m, -1] | sum", "m | round(-38)", "(2**126 - 1 + 2**126) | round(-1)", "10**40"})
    EXPECT_EQ(outcome_with_least(expression), "LimitError: the template computes an integer of more than 127 bits")
        << expression;
}

TEST(JinjaLimits, IntegersAtTheEndsAreRight) {
  const std::map<std::string, std::string> expected{
      {"m", "-170141183460469231731687303715884105728"},
      {"m % -1", "0"},
      {"m // 3", "-56713727820156410577229101238628035243"},
      {"m % 7", "5"},
      {"m // m ~ m % m ~ m // 1", "10-170141183460469231731687303715884105728"},
      {"'%x' % m", "-80000000000000000000000000000000"},
      {"'%d' % m", "-170141183460469231731687303715884105728"},
      {"'{:x}'.format(m)", "-80000000000000000000000000000000"},
      {"(2**126 - 1) * 2 + 1", "170141183460469231731687303715884105727"},
      {"2**63 * -(2**64)", "-170141183460469231731687303715884105728"},
      {"m | round(-37)", "-170000000000000000000000000000000000000"},
      {"(2**62) | round(-18)", "5000000000000000000"},
      {"[25, -25, 35, 26, -26] | map('round', -1) | list", "[20, -20, 40, 30, -30]"},
      {"1 | round(-39)", "0"},
      {"range(m, m + 3) | list",
       "[-170141183460469231731687303715884105728, -170141183460469231731687303715884105727, "
       "-170141183460469231731687303715884105726]"},
      {"range(m, 2**126, 2**126) | list | length", "3"},
      {"range(2**126, m, m) | list",
       "[85070591730234615865843651857942052864, -85070591730234615865843651857942052864]"},
      {"range(m, m + 9, 4)",
       "range(-170141183460469231731687303715884105728, -170141183460469231731687303715884105719, 4)"},
      {"range(m, 0)", "OverflowError: Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000)."},
      {"(2**53 + 1) == 2.0**53", "False"},
      {"(2**53 + 1) > 2.0**53", "True"},
      {"m == -(2.0**127)", "True"},
      {"2**126 < 1e300", "True"},
      {"-0.5 | filesizeformat", "0 Bytes"},
      {"-1e22 | filesizeformat", "-10000000000000000000000 Bytes"}};
  for (const auto& [expression, text] : expected) EXPECT_EQ(outcome_with_least("(" + expression + ")"), text);
}

/// Each is done again and again, on values that are large.
TEST(JinjaLimits, OperationsPayForWhatTheyGoThrough) {
  constexpr Integer kCount = 20'000;
  const auto list = [] {
    std::vector<Value> items;
    for (Integer i = 0; i < kCount; ++i) items.push_back(make_integer(i));
    return make_list(std::move(items));
  };
  const auto dict = [] {
    std::vector<std::pair<Value, Value>> entries;
    for (Integer i = 0; i < kCount; ++i) entries.emplace_back(make_text(integer_digits(i)), make_integer(i));
    return make_dict(std::move(entries));
  };
  const std::vector<std::pair<std::string, Value>> variables{{"a", list()},
                                                             {"b", list()},
                                                             {"d", dict()},
                                                             {"e", dict()},
                                                             {"t", make_text(std::string(1'000'000, 'x'))},
                                                             {"u", make_text(std::string(1'000'000, 'x'))}};
  Limits limits;
  limits.steps = 200'000;
  for (const char* operation : {"a == b",
                                "a != b",
                                "a < b",
                                "a <= b",
                                "-1 in a",
                                "-1 not in a",
                                "a[1:] | length",
                                "a | first",
                                "a | last",
                                "a.count(-1)",
                                "a.copy() | length",
                                "a is eq(b)",
                                "a is in([b])",
                                "(a + b) | length",
                                "a | sort | length",
                                "a | max",
                                "a | unique | first",
                                "a | join | length",
                                "a | list | length",
                                "a | string | length",
                                "t[a]",

                                "d == e",
                                "d | items | list | length",
                                "d.items() | length",
                                "d.keys() | length",
                                "d.values() | length",
                                "d.copy() | length",
                                "d | dictsort | length",
                                "d | tojson | length",
                                "dict(d) | length",
                                "namespace(d)",
                                "dict(**d)",
                                "t == u",
                                "t < u",
                                "t is eq u",
                                "'y' in t",
                                "t | length",
                                "t ~ '' == u",
                                "t | string | length",
                                "t is lower",
                                "t is upper",
                                "t.startswith(u)",
                                "t.endswith(u)",
                                "t.find('y')",
                                "t.rfind('y')",
                                "t.count('y')",
                                "t.replace('y', 'z') | length",
                                "t | replace('y', 'z') | length",
                                "t.split('y') | length",
                                "t.rsplit('y') | length",
                                "t.partition('y') | length",
                                "t.rpartition('y') | length",
                                "t.removesuffix('x') | length",
                                "t.removeprefix('y') | length",
                                "t.center(1) | length",
                                "t.zfill(1) | length",
                                "t.strip() | length",
                                "t | trim | length",
                                "t | upper | length",
                                "t | int",
                                "t | float",
                                "t | safe | length",
                                "t | truncate(9) | length",
                                "t | indent | length",
                                "t | wordcount",
                                "t[1:] | length",
                                "t[-1]",
                                "d[t]",
                                "d.get(t)",
                                "t in d",
                                "loop.changed(a if loop.index is odd else b)",
                                "loop.changed(t)",
                                "'%.1s' % t",
                                "'{:.1}'.format(t)",
                                "t.isalpha()",
                                "t | list | length",
                                "t | tojson | length",
                                "[a] | tojson | length",
                                "[t] | join | length"})
    EXPECT_EQ(
        outcome("{% for i in range(9999) %}{% set r = " + std::string(operation) + " %}{% endfor %}", variables, limits)
            .substr(0, 10),
        "LimitError")
        << operation;
}

TEST(JinjaLimits, ValuesThatShareTheirPartsPayForAll) {
  // 2^150 elements each, of 150 lists.
  const std::string shared =
      "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(150) %}{% set ns.a = [ns.a, ns.a] %}"
      "{% set ns.b = [ns.b, ns.b] %}{% endfor %}";
  const std::string tuples =
      "{% set ns = namespace(a=(1,), b=(1,)) %}{% for i in range(150) %}{% set ns.a = (ns.a, ns.a) %}{% endfor %}";
  for (const char* use : {"ns.a == ns.b", "ns.a < ns.b", "[ns.a] is eq([ns.b])", "ns.a in [ns.b]", "ns.a | string",
                          "ns.a | tojson", "'%r' % [ns.a]"})
    EXPECT_EQ(outcome(shared + "{{ " + use + " }}").substr(0, 10), "LimitError") << use;
  EXPECT_EQ(outcome(tuples + "{{ {ns.a: 1} }}").substr(0, 10), "LimitError");
  EXPECT_EQ(outcome(shared + "{{ ns.a == ns.a }}"), "True") << "Python does not look into what is the same";
}

TEST(JinjaLimits, StepsGrowWithWhatIsCompared) {
  const auto steps = [](int count) {
    const std::string list = "range(" + std::to_string(count) + ") | list";
    return Template("{{ (" + list + ") == (" + list + ") }}").render({}, std::tm{}).steps;
  };
  EXPECT_GE(steps(20'000) - steps(10'000), 10'000);
  EXPECT_LE(steps(20'000) - steps(10'000), 100'000);
}

TEST(JinjaLimits, SearchesTakeTimeOfTheTextAlone) {
  // Compared byte by byte at every place, these would take 10^12 comparisons.
  const std::string texts = "{% set t = 'a' * 4000000 %}{% set p = 'a' * 1000000 ~ 'b' %}{% set q = 'b' ~ p[:-1] %}";
  EXPECT_EQ(outcome(texts + "{{ p in t }} {{ t.find(p) }}"), "False -1");
  EXPECT_EQ(outcome(texts + "{{ t.rfind(q) }} {{ t.rsplit(q) | length }} {{ t.rpartition(q)[0] | length }}"), "-1 1 0");
  EXPECT_EQ(outcome(texts + "{{ t.split(p) | length }} {{ t.replace(p, '') | length }}"), "1 4000000");
  EXPECT_EQ(outcome("{{ 'a'.rsplit('a') }}{{ 'xaxaax'.rsplit('ax', 1) }}{{ 'aaa'.rsplit('aa') }}{{ 'aaa'.split('aa') }}"
                    "{{ 'abcabc'.rfind('bc') }}{{ 'abcabc'.rpartition('b') }}{{ 'x'.rfind('') }}"
                    "{{ 'abab'.rfind('ab', 0, 3) }}"),
            "['', '']['xaxa', '']['a', '']['', 'a']4('abca', 'b', 'c')10");
}

TEST(JinjaLimits, DictionariesOfManyKeysAreFoundByAnIndex) {
  std::string json = "{";
  for (int i = 0; i < 300'000; ++i) json += "\"k" + std::to_string(i) + "\": " + std::to_string(i) + ", ";
  json += "\"k7\": \"second\"}";
  const Value dict = parse_json_value(json);
  EXPECT_EQ(std::get<DictPointer>(dict)->entries.size(), 300'000U);
  EXPECT_EQ(
      outcome("{{ d.k7 }} {{ d['k299999'] }} {{ 'k300000' in d }} {{ d | length }} {{ (d | list)[9] }}", {{"d", dict}}),
      "second 299999 False 300000 k9");
  EXPECT_EQ(outcome("{% set n = namespace(**d) %}{{ n.k5 }}", {{"d", dict}}), "5");
}

TEST(JinjaLimits, DictionariesMixKeysOfAllKinds) {
  EXPECT_EQ(
      outcome("{% set d = dict(range(30) | map('string') | batch(2)) %}{% set e = dict([(1, 'one'), ((2, 3), 'pair'), "
              "(none, 'no')] + d.items() | list) %}{{ e[1.0] ~ e[true] ~ e[(2, 3)] ~ e[none] ~ e['28'] }}"
              "{{ e['27'] is defined }}{{ e | length }}"),
      "oneonepairno29False18");
  EXPECT_EQ(outcome("{{ {1: 'a'}[1.0] ~ {true: 'b'}[1] }}"), "ab");
  EXPECT_EQ(outcome("{{ {(1, [2]): 3} }}"), "TypeError: unhashable type: 'list'");
  EXPECT_EQ(outcome("{{ (1, [2]) in {} }}"), "TypeError: unhashable type: 'list'");
  EXPECT_EQ(outcome("{{ [3, 1.0, 1, true, 'a', 'A'] | unique | list }}"), "[3, 1.0, 'a']");
}

TEST(JinjaLimits, ValuesThatMethodsHoldNestNoDeeper) {
  for (const char* next : {"[ns.a].count", "(ns.a,).index", "cycler(ns.a)", "joiner(ns.a)", "{1: ns.a}.get"})
    EXPECT_EQ(outcome("{% set ns = namespace(a='x') %}{% for i in range(50000) %}{% set ns.a = " + std::string(next) +
                      " %}{% endfor %}"),
              "LimitError: values nest more than 200 levels deep")
        << next;
}

TEST(JinjaLimits, LongChainsEnd) {
  const auto repeated = [](const std::string& piece) {
    std::string all;
    for (int i = 0; i < 30'000; ++i) all += piece;
    return all;
  };
  for (const char* behind : {"|upper", ".a", "[0]", "+1", "~1", "**1", " and 1", " or 1", " if 1 else 1", " is none",
                             "()", " < 1", ",1", "|list|first", ".strip()"})
    EXPECT_NE(outcome("{{ 1" + repeated(behind) + " }}"), "") << behind;
  for (const char* before : {"-", "+", "not ", "(", "[", "{1:", "f(", "1 + (", "1 if ", "1|f("})
    EXPECT_NE(outcome("{{ " + repeated(before) + "1 }}"), "") << before;
  for (const char* statement : {"{% if 1 %}", "{% for a in b %}", "{% macro f() %}", "{% call f() %}", "{% filter f %}",
                                "{% set a %}", "{% with %}", "{% generation %}", "{% if 1 %}{% elif 1 %}"})
    EXPECT_NE(outcome(repeated(statement)), "") << statement;
  EXPECT_EQ(outcome("{% if 0 %}" + repeated("{% elif 0 %}") + "{% else %}x{% endif %}"), "x");
  EXPECT_EQ(outcome(repeated("{# a #}") + "x"), "x");
}

TEST(JinjaLimits, TemplatesOfManyVariablesAndParametersEnd) {
  std::string variables;
  for (int i = 0; i < 100'000; ++i) variables += "{% set v" + std::to_string(i) + " = 1 %}";
  EXPECT_EQ(outcome(variables + "{{ v99999 }}"), "1");
  std::string macro = "{% macro f(";
  for (int i = 0; i < 50'000; ++i) macro += "p" + std::to_string(i) + "=1,";
  macro += "last=2) %}{{ last }}{% endmacro %}{{ f() }}";
  EXPECT_EQ(outcome(macro), "2");
}

}  // namespace
}  // namespace temper::jinja
