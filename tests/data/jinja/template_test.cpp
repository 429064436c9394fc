// Templates against what jinja2 3.1.6 in transformers 5.24 renders and raises; the expected texts are its.
#include "data/jinja/template.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "data/jinja/template_error.h"

namespace temper::jinja {
namespace {

std::tm noon() {
  std::tm date{};
  date.tm_year = 126;
  date.tm_mon = 2;
  date.tm_mday = 5;
  date.tm_hour = 14;
  date.tm_min = 7;
  date.tm_sec = 9;
  date.tm_wday = 4;
  date.tm_yday = 63;
  return date;
}

Value message(const char* role, const char* content) {
  return make_dict({{make_text("role"), make_text(role)}, {make_text("content"), make_text(content, true)}});
}

Rendered rendered(const std::string& source) {
  std::vector<std::pair<std::string, Value>> variables{
      {"messages", make_list({message("user", "Kernel kernel ledger account."), message("assistant", "Letter night."),
                              message("user", "Parcel ticket.")})},
      {"tools", None{}},
      {"documents", None{}},
      {"add_generation_prompt", false},
      {"bos_token", make_text("<s>")}};
  return Template(source).render(std::move(variables), noon());
}

std::string text_of_template(const std::string& source) { return rendered(source).text.bytes(); }

/// "TypeError in line 3: ..." of a template that is refused.
std::string refusal_of(const std::string& source) {
  try {
    return "rendered: " + text_of_template(source);
  } catch (const TemplateError& error) {
    return error.name() + " in line " + std::to_string(error.line()) + ": " + error.what();
  }
}

TEST(JinjaTemplate, WhiteSpaceGoesAsTheSignsSay) {
  EXPECT_EQ(text_of_template("{{- 1 -}} x"), "1x");
  EXPECT_EQ(text_of_template("a {%- if true %} b {% endif -%} c"), "a b c");
  EXPECT_EQ(text_of_template("a\n{% if true %}\nb\n{% endif %}\nc"), "a\nb\nc");
  EXPECT_EQ(text_of_template("  {% if true %}  x\n  {% endif %}\ny"), "  x\ny");
  EXPECT_EQ(text_of_template("  {%+ if true %}x{% endif %}"), "  x");
  EXPECT_EQ(text_of_template("{% if true +%}\nx{% endif %}"), "\nx");
  EXPECT_EQ(text_of_template("{# c #}\nx {#- d -#} y"), "xy");
  EXPECT_EQ(text_of_template("two\r\n\n"), "two\n");
  EXPECT_EQ(text_of_template("{% raw %}\n{{ a }}\n  {% endraw %}\nb"), "\n{{ a }}\nb");
  EXPECT_EQ(text_of_template("{ {# c #}{{ '{{' }} }}"), "{ {{ }}");
}

TEST(JinjaTemplate, ScopesAreJinjas) {
  EXPECT_EQ(text_of_template("{% set a = 1 %}{% if true %}{% set a = 2 %}{% endif %}{{ a }}"), "2");
  EXPECT_EQ(text_of_template("{% set a = 1 %}{% for i in [1] %}{% set a = 2 %}{% endfor %}{{ a }}"), "1");
  EXPECT_EQ(text_of_template("{% set ns = namespace(a=1) %}{% for i in [1, 2] %}{% set ns.a = ns.a + i %}{% endfor %}"
                             "{{ ns.a }}"),
            "4");
  EXPECT_EQ(text_of_template("{% set x = 1 %}{% macro f() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ f() }}"), "2");
  EXPECT_EQ(text_of_template("{% with x = 3 %}{{ x }}{% endwith %}{{ x }}"), "3");
  EXPECT_EQ(text_of_template("{% set x | upper %}abc{% endset %}{{ x }}"), "ABC");
}

TEST(JinjaTemplate, LoopsKnowWhereTheyAre) {
  EXPECT_EQ(text_of_template("{% for x in [1, 2, 3] if x != 2 %}{{ loop.index }}{{ loop.last }}{% endfor %}"),
            "1False2True");
  EXPECT_EQ(text_of_template("{% for x in 'abc' %}{% if x == 'b' %}{% continue %}{% endif %}{{ x }}{% endfor %}"),
            "ac");
  EXPECT_EQ(text_of_template("{% for x in range(9) %}{% if x == 3 %}{% break %}{% endif %}{{ x }}{% endfor %}"), "012");
  EXPECT_EQ(text_of_template("{% for a in 'xyz' recursive %}{{ a }}{% if loop.depth < 3 and a == 'y' %}"
                             "({{ loop('pq') }}){% endif %}{% endfor %}"),
            "xy(pq)z");
  EXPECT_EQ(text_of_template("{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{{ loop.previtem }}{% endfor %}"),
            "TrueFalse1True1");
  EXPECT_EQ(text_of_template("{% for x in [] %}x{% else %}none{% endfor %}"), "none");
}

TEST(JinjaTemplate, ComputesAsPythonDoes) {
  EXPECT_EQ(text_of_template("{{ 7 / 2 }} {{ 6 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7.5 // 2 }} {{ 2 ** -1 }} "
                             "{{ -2 ** 2 }} {{ 1 ~ 1.0 }}"),
            "3.5 3.0 -4 2 3.0 0.5 4 11.0");
  EXPECT_EQ(text_of_template("{{ 1e16 }} {{ 123456789.123456789 }} {{ 1e-5 }} {{ 0.1 + 0.2 }} {{ -0.0 }} "
                             "{{ 100000000000000000000 }}"),
            "1e+16 123456789.12345679 1e-05 0.30000000000000004 -0.0 100000000000000000000");
  EXPECT_EQ(
      text_of_template("{{ 2.5 | round }} {{ 3.14159 | round(2) }} {{ 2.1 | round(0, 'ceil') }} {{ '3.7' | int }}"),
      "2.0 3.14 3.0 3");
  EXPECT_EQ(text_of_template("{{ 'abcdef'[1:-1:2] }} {{ 'abc'[::-1] }} {{ [1, 2, 3][-2:] }} {{ 'é☃x'[1] }}"),
            "bd cba [2, 3] ☃");
  EXPECT_EQ(text_of_template("{{ '%05.1f|%-4s|%x' | format(3.14159, 'b', 255) }}"), "003.1|b   |ff");
}

TEST(JinjaTemplate, WritesValuesAsPythonDoes) {
  EXPECT_EQ(text_of_template("{{ [1, 'a', none, true, 1.5] }} {{ {'a': 'b', 1: [none]} }} {{ (1,) }}"),
            "[1, 'a', None, True, 1.5] {'a': 'b', 1: [None]} (1,)");
  EXPECT_EQ(text_of_template("{{ [\"a'b\", 'a\"b', 'é\\n'] }}"), "[\"a'b\", 'a\"b', 'é\\n']");
  EXPECT_THROW((void)text_of_template("{{ [1] | tojson(indent=1001) }}"), Error);
  EXPECT_EQ(text_of_template("{{ {'a': [1, {}], 'b': []} | tojson(indent=2) }}"),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
  EXPECT_EQ(text_of_template("{{ {'ü': '<é>', 'n': 1e21} | tojson }} {{ 'é' | tojson(ensure_ascii=true) }}"),
            "{\"ü\": \"<é>\", \"n\": 1e+21} \"\\u00e9\"");
}

TEST(JinjaTemplate, FiltersTestsAndMethodsAreThere) {
  EXPECT_EQ(text_of_template("{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | "
                             "join('|') }}"),
            "Kernel kernel ledger account.|Parcel ticket.");
  EXPECT_EQ(text_of_template("{{ messages | rejectattr('zz', 'defined') | list | length }} {{ {'b': 1, 'a': 2} | "
                             "dictsort }} {{ [1, 1, 2] | unique | list }}"),
            "3 [('a', 2), ('b', 1)] [1, 2]");
  EXPECT_EQ(text_of_template("{{ ' a  b '.split() }} {{ 'k=v=w'.rsplit('=', 1) }} {{ 'abc'.partition('b') }} "
                             "{{ '<think>a'.lstrip('<think>') }}"),
            "['a', 'b'] ['k=v', 'w'] ('a', 'b', 'c') a");
  EXPECT_EQ(text_of_template("{{ 'Straße'.upper() }} {{ 'tEST one' | title }} {{ '<b>' | e }} {{ 'hello world foo' | "
                             "truncate(9) }}"),
            "STRASSE Test One &lt;b&gt; hello...");
  EXPECT_EQ(text_of_template("{{ x is undefined }} {{ 1 is number }} {{ {} is mapping }} {{ 'a' is iterable }} {{ 4 is "
                             "divisibleby 2 }} {{ none is none }} {{ true is integer }}"),
            "True True True True True True False");
  EXPECT_EQ(text_of_template("{{ messages[0].get('x', 'd') }} {{ {'items': 3}.items is callable }} {{ {'a': 1} | items "
                             "| list }}"),
            "d True [('a', 1)]");
}

TEST(JinjaTemplate, MacrosTakeArgumentsAndCallers) {
  EXPECT_EQ(text_of_template("{% macro f(a, b=2) %}{{ a }}-{{ b }}-{{ varargs }}-{{ kwargs | length }}{% endmacro %}"
                             "{{ f(1) }} {{ f(b=5, a=4) }} {{ f(1, 2, 3, z=1) }}"),
            "1-2-()-0 4-5-()-0 1-2-(3,)-1");
  EXPECT_EQ(text_of_template("{% macro f() %}{{ caller(1) }}{% endmacro %}{% call(x) f() %}got {{ x }}{% endcall %}"),
            "got 1");
}

TEST(JinjaTemplate, DateIsThatOfTheCaller) {
  EXPECT_EQ(text_of_template("{{ strftime_now('%Y %B %b %d %e %-d %H:%M:%S %p %A %j %%') }}"),
            "2026 March Mar 05  5 5 14:07:09 PM Thursday 064 %");
}

TEST(JinjaTemplate, RefusalsSayWhatJinjaSaysAndWhere) {
  EXPECT_EQ(refusal_of("a\n{{ raise_exception('said so') }}"), "TemplateError in line 2: said so");
  EXPECT_EQ(refusal_of("{% for m in messages %}\n{{ m.role }}"),
            "TemplateSyntaxError in line 2: Unexpected end of template. Jinja was looking for the following tags: "
            "'endfor' or 'else'. The innermost block that needs to be closed is 'for'.");
  EXPECT_EQ(refusal_of("{{ x.y }}"), "UndefinedError in line 1: 'x' is undefined");
  EXPECT_EQ(refusal_of("\n{{ messages[0].nothing.at_all }}"),
            "UndefinedError in line 2: 'dict object' has no attribute 'nothing'");
  EXPECT_EQ(refusal_of("{{ messages.append(1) }}"),
            "SecurityError in line 1: access to attribute 'append' of 'list' object is unsafe.");
  EXPECT_EQ(refusal_of("{{ 'a' + 1 }}"), "TypeError in line 1: can only concatenate str (not \"int\") to str");
  EXPECT_EQ(refusal_of("{{ 1 // 0 }}"), "ZeroDivisionError in line 1: integer division or modulo by zero");
  EXPECT_EQ(refusal_of("{{ x | nosuchfilter }}"), "TemplateAssertionError in line 1: No filter named 'nosuchfilter'.");
  EXPECT_EQ(refusal_of("{% if false %}{{ x | nosuchfilter }}{% endif %}"), "rendered: ");
  EXPECT_EQ(refusal_of("{% include 'x' %}"), "TypeError in line 1: no loader for this environment specified");
}

TEST(JinjaTemplate, TemplateThatLoopsIsRefused) {
  const std::string nested =
      "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}{% endfor %}{% endfor %}"
      "{% endfor %}";
  EXPECT_EQ(refusal_of(nested).substr(0, 10), "LimitError");
  EXPECT_EQ(refusal_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").substr(0, 10), "LimitError");
  EXPECT_EQ(refusal_of("{% set ns = namespace(a='xxxxxxxx') %}{% for i in range(99) %}{% set ns.a = ns.a + ns.a %}"
                       "{% endfor %}")
                .substr(0, 10),
            "LimitError");
  EXPECT_EQ(refusal_of("{{ 'x' * 1000000000 }}").substr(0, 10), "LimitError");
  EXPECT_EQ(refusal_of("{% set ns = namespace(a=[]) %}{% for i in range(999) %}{% set ns.a = [ns.a] %}{% endfor %}")
                .substr(0, 10),
            "LimitError");
  EXPECT_EQ(refusal_of("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}").substr(0, 10),
            "LimitError");
  std::string blocks;
  for (int i = 0; i < 5000; ++i) blocks += "{% if true %}";
  EXPECT_EQ(refusal_of(blocks).substr(0, 10), "LimitError");
}

TEST(JinjaTemplate, ValuesThatHoldThemselvesEnd) {
  EXPECT_EQ(text_of_template("{% set ns = namespace() %}{% set ns.self = ns %}{% set ns.list = [ns, ns] %}ok"), "ok");
}

/// The bytes that came from data, each piece in brackets.
std::string marked(const Text& text) {
  std::string all;
  for (const Text::Run& run : text.runs())
    all += run.from_data ? "[" + std::string(run.bytes) + "]" : std::string(run.bytes);
  return all;
}

TEST(JinjaTemplate, OriginOfEveryByteIsKept) {
  EXPECT_EQ(marked(rendered("{{ '<s>' + messages[1].content + '</s>' }}").text), "<s>[Letter night.]</s>");
  EXPECT_EQ(marked(rendered("{{ messages[1].content.split(' ')[-1] | upper | trim('.') ~ bos_token }}").text),
            "[NIGHT]<s>");
  EXPECT_EQ(marked(rendered("{{ messages[1] | tojson }}").text),
            "{\"role\": \"assistant\", \"content\": \"[Letter night.]\"}");
  EXPECT_EQ(marked(rendered("{{ messages[1].content.replace('night', '<s>') }}").text), "[Letter ]<s>[.]");
  EXPECT_EQ(marked(rendered("{{ '%s!' % messages[1].content[:3] }}{{ messages[1].content[::-12] }}").text),
            "[Let]![.L]");
  EXPECT_EQ(
      marked(rendered("{% set x %}a{{ messages[1].content | truncate(8, true, '...', 0) }}{% endset %}{{ x ~ 'b' }}")
                 .text),
      "a[Lette]...b");
}

TEST(JinjaTemplate, GenerationBlocksAreMarked) {
  const Rendered all =
      rendered("{% for m in messages %}{{ m.role }}{% generation %}{{ m.content }}|{% endgeneration %}{% endfor %}");
  ASSERT_EQ(all.generations.size(), 3U);
  EXPECT_EQ(all.text.slice(all.generations[1].first, all.generations[1].second).bytes(), "Letter night.|");
}

}  // namespace
}  // namespace temper::jinja
