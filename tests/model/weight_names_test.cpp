#include "model/weight_names.h"

#include <gtest/gtest.h>

namespace temper {
namespace {

std::vector<std::string> names_of(const std::vector<StoredForm>& forms) {
  std::vector<std::string> names;
  for (const StoredForm& form : forms) names.push_back(form.name);
  return names;
}

using Names = std::vector<std::string>;

TEST(WeightNames, WithoutRulesAParameterIsStoredAsItIs) {
  const WeightNames names{.prefix = "net."};
  const auto forms = names.forms_of({"net.layer.weight", {3, 4}});
  EXPECT_EQ(names_of(forms), (Names{"net.layer.weight", "layer.weight"}));
  EXPECT_TRUE(forms.front().is_plain());
  EXPECT_EQ(names_of(names.forms_of({"classifier.weight", {3, 4}})), Names{"classifier.weight"});
  EXPECT_EQ(forms.front().shape_of_tensor({3, 4}), Shape({3, 4}));
}

TEST(WeightNames, OlderNamesComeBehindTheUsualOnes) {
  WeightNames names{.prefix = "net."};
  names.alternatives = {{"LayerNorm.weight", "LayerNorm.gamma"}, {"predictions.bias", "predictions.decoder.bias"}};
  EXPECT_EQ(names_of(names.forms_of({"net.LayerNorm.weight", {3}})),
            (Names{"net.LayerNorm.weight", "LayerNorm.weight", "net.LayerNorm.gamma", "LayerNorm.gamma"}));
  EXPECT_EQ(names_of(names.forms_of({"cls.predictions.bias", {3}})),
            (Names{"cls.predictions.bias", "cls.predictions.decoder.bias"}));
}

TEST(WeightNames, ARuleSaysHowAParameterLiesInTheFile) {
  WeightNames names{.prefix = "net."};
  names.rules = {{"attn.key.weight", "attn.c_attn.weight", true, 12, 4},
                 {"attn.key.bias", "attn.c_attn.bias", false, 12, 4},
                 {"c_fc.weight", "c_fc.weight", true}};
  const auto key = names.forms_of({"net.h.0.attn.key.weight", {4, 5}});
  EXPECT_EQ(names_of(key), (Names{"net.h.0.attn.c_attn.weight", "h.0.attn.c_attn.weight"}));
  for (const StoredForm& form : key) {
    EXPECT_FALSE(form.is_plain());
    EXPECT_EQ(form.first_row, 4);
    EXPECT_EQ(form.shape_of_tensor({4, 5}), Shape({5, 12})) << "transposed, of three parameters";
  }
  EXPECT_EQ(names.forms_of({"net.h.0.attn.key.bias", {4}}).front().shape_of_tensor({4}), Shape({12}));
  EXPECT_EQ(names.forms_of({"net.h.0.c_fc.weight", {4, 5}}).front().shape_of_tensor({4, 5}), Shape({5, 4}));
  EXPECT_TRUE(names.forms_of({"net.h.0.c_fc.bias", {4}}).front().is_plain());
}

TEST(WeightNames, KnowsWhatNoModelReads) {
  WeightNames names{.prefix = "net."};
  names.unread = {"position_ids", "decoder.weight"};
  EXPECT_TRUE(names.is_unread("net.embeddings.position_ids"));
  EXPECT_TRUE(names.is_unread("cls.predictions.decoder.weight"));
  EXPECT_FALSE(names.is_unread("cls.predictions.decoder.bias"));
}

}  // namespace
}  // namespace temper
