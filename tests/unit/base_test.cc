// Results, text helpers and JSON writing.
#include "support.h"
#include <corten/base/json_text.h>
#include <corten/base/result.h>
#include <corten/base/strings.h>

namespace corten {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return Error(ErrorKind::InvalidArgument, "odd");
  return value / 2;
}

Result<int> quarter(int value) {
  const int first = TRY(half(value));
  return half(first).context([&] { return "half of " + std::to_string(value); });
}

TEST(Result, TryPassesTheValueAndTheErrorOn) {
  ASSERT_OK_AND_ASSIGN(const int value, quarter(8));
  EXPECT_EQ(value, 2);
  const auto failed = quarter(6);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message(), "half of 6: odd");
  EXPECT_ERROR(quarter(7), ErrorKind::InvalidArgument);
}

TEST(Result, ErrorsKeepErrnoAndPointerThroughContext) {
  const Error error = Error::from_errno(2, "openat(5, 'x', 0)").with_context("reading");
  EXPECT_EQ(error.errno_value(), 2);
  EXPECT_EQ(error.message(), "reading: openat(5, 'x', 0): No such file or directory");
  EXPECT_EQ(Error::spec("/a/b", "wrong").pointer(), "/a/b");
}

TEST(Strings, IntegersMustMatchCompletely) {
  EXPECT_EQ(parse_integer<uint32_t>("4294967295"), 4294967295U);
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "0x1", "1e3", "4294967296", "1a"}) {
    EXPECT_FALSE(parse_integer<uint32_t>(text)) << text;
  }
  EXPECT_EQ(parse_integer<int>("-7"), -7);
}

TEST(Strings, CleanPathNeverLeavesTheRoot) {
  EXPECT_EQ(clean_path("a//b/./c/"), "/a/b/c");
  EXPECT_EQ(clean_path("/a/../../../b"), "/b");
  EXPECT_EQ(clean_path(""), "/");
  EXPECT_TRUE(has_dotdot("/a/../b"));
  EXPECT_FALSE(has_dotdot("/a/..b"));
}

TEST(Strings, HostileTextCannotForgeALine) {
  EXPECT_EQ(quote("a\nb\x1b[0m\xff"), "'a\\x0ab\\x1b[0m\\xff'");
  EXPECT_EQ(quote("gr\xc3\xbc\xc3\x9f"), "'gr\xc3\xbc\xc3\x9f'");
  // U+009B is ESC [ in one character, U+202E turns what follows around, U+2028 is a line's end.
  EXPECT_EQ(quote("\xc2\x9b"
                  "0m"),
            "'\\xc2\\x9b0m'");
  EXPECT_EQ(quote("\xe2\x80\xae\xe2\x80\xa8\xe2\x81\xa6"),
            "'\\xe2\\x80\\xae\\xe2\\x80\\xa8\\xe2\\x81\\xa6'");
  EXPECT_EQ(quote("\xc2\xa0\xe2\x80\xa7\xe2\x80\xaf"), "'\xc2\xa0\xe2\x80\xa7\xe2\x80\xaf'");
}

TEST(JsonText, WritesNestedDocuments) {
  JsonWriter json;
  json.begin_object()
      .field("a", 1)
      .key("b")
      .begin_array()
      .value("x\"y")
      .value(true)
      .null()
      .end_array();
  json.field("c", "\x01\xff").end_object();
  EXPECT_EQ(json.text(), "{\"a\":1,\"b\":[\"x\\\"y\",true,null],\"c\":\"\\u0001\xEF\xBF\xBD\"}");
}

}  // namespace
}  // namespace corten
