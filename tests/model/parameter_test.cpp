#include "model/parameter.h"

#include <gtest/gtest.h>

namespace temper {
namespace {

TEST(ParameterPlace, NamesWhatModulesAdd) {
  ParameterList list;
  const ParameterPlace place{list, 2, ParameterRole::head, Initialization::normal(0.1F), "net."};
  const Variable added = place.within("layer").within("0").add("weight", {3, 4}, place.weights);
  const Parameter* found = list.find("net.layer.0.weight");
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(found->variable == added);
  EXPECT_EQ(found->stage, 2);
  EXPECT_EQ(found->role, ParameterRole::head);
  EXPECT_EQ(found->initialization.scale, 0.1F);
  EXPECT_EQ(list.find("layer.0.weight"), nullptr);
}

TEST(ParameterPlace, WeightDecaySparesVectorsUnlessToldOtherwise) {
  ParameterList list;
  const ParameterPlace place{list, 1, ParameterRole::weight, {}};
  place.add("matrix", {3, 4}, {});
  place.add("bias", {4}, {});
  place.add("rates", {3, 4}, {}, false);
  place.add("scales", {4}, {}, true);
  const auto decays = [&](const char* name) { return list.find(name)->decays; };
  EXPECT_TRUE(decays("matrix"));
  EXPECT_FALSE(decays("bias"));
  EXPECT_FALSE(decays("rates"));
  EXPECT_TRUE(decays("scales"));
}

}  // namespace
}  // namespace temper
