#include "data/tables/conversation_reader.h"

#include <gtest/gtest.h>

#include "tests/data/read_table.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;

Table parse_chats(std::string_view text) { return parse_table(conversation_rows, text, "chat.json"); }
std::string chat_error(std::string_view text) {
  return error_of([&] { parse_chats(text); });
}

TEST(ConversationReader, ObjectsOfLinesAndOfAnArrayAreRows) {
  for (const char* text : {"{\"a\": [1]}\n\n{\"b\": \"]}\"}\n", "[\n{\"a\": [1]}\n\n,{\"b\": \"]}\"}\n]\n"}) {
    const Table table = parse_chats(text);
    EXPECT_EQ(table.columns, std::vector<std::string>{kConversationColumn});
    ASSERT_EQ(table.rows.size(), 2U) << text;
    EXPECT_EQ(table.rows[0], std::vector<std::string>{"{\"a\": [1]}"});
    EXPECT_EQ(table.rows[1], std::vector<std::string>{"{\"b\": \"]}\"}"});
  }
}

TEST(ConversationReader, RefusesWhatStandsBesideAnArray) {
  EXPECT_HAS(chat_error("[{\"a\": 1}]\n[{\"a\": 2}]"), "line 2: expected the end of the file behind the array");
  EXPECT_HAS(chat_error("[{\"a\": 1}\n{\"a\": 2}]"), "line 2: expected a comma or ]");
  EXPECT_HAS(chat_error("[]"), "the array is empty");
}

}  // namespace
}  // namespace temper
