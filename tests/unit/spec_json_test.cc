// The JSON scanner: what it refuses, where it says so, and that it agrees with nlohmann_json on
// every text that it is given, valid, broken or mutated.
#include <fstream>
#include <random>
#include <sstream>
#include <string>

#include <nlohmann/json.hpp>

#include "../../src/spec/json_tree.h"
#include "support.h"

namespace corten::spec::json {
namespace {

using Reference = nlohmann::ordered_json;

std::string message_of(std::string_view text) {
  const auto tree = Tree::parse(text, "test");
  return tree ? "" : tree.error().message();
}

TEST(JsonTree, SaysWhereTheSyntaxBreaks) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"", "test line 1: the text is empty"},
      {"\n\n ", "test line 3: the text is empty"},
      {"{\"a\":1\n\"b\":2}", "test line 2: expected ',' or '}', found '\"'"},
      {"{\"a\" 1}", "test line 1: expected ':', found '1'"},
      {"{a:1}", "test line 1: expected a name in double quotes, found 'a'"},
      {"{\"a\":1,}",
       "test line 1: expected a name in double quotes (no comma may stand before '}'), found '}'"},
      {"[1,]", "test line 1: expected a value (no comma may stand before ']'), found ']'"},
      {"[1 2]", "test line 1: expected ',' or ']', found '2'"},
      {"[1", "test line 1: expected ',' or ']', found the end of the file"},
      {"{} {}", "test line 1: expected the end of the file, found '{'"},
      {"// comment\n{}", "test line 1: expected a value, found '/' (JSON has no comments)"},
      {"\xEF\xBB\xBF{}",
       "test line 1: expected a value, found '\xEF\xBB\xBF' (a byte order mark: save the text "
       "without it)"},
      {"01", "test line 1: a number must not start with 0"},
      {"-", "test line 1: expected a digit, found the end of the file"},
      {"+1", "test line 1: expected a value, found '+'"},
      {"1.", "test line 1: expected a digit, found the end of the file"},
      {"1e+", "test line 1: expected a digit, found the end of the file"},
      {"NaN", "test line 1: expected a value, found 'N'"},
      {"tru", "test line 1: expected a value, found 't'"},
      {"\"a", "test line 1: expected the closing quote of a string, found the end of the file"},
      {"\"a\nb\"", "test line 1: control characters in a string must be escaped"},
      {"\"\\x\"", "test line 1: expected one of \"\\/bfnrtu after a backslash, found 'x'"},
      {"\"\\u12g4\"", "test line 1: expected four hexadecimal digits, found 'g'"},
      {"\"\\ud800\"", "test line 1: half a surrogate pair in a string"},
      {"\"\\udc00\"", "test line 1: half a surrogate pair in a string"},
      {"\"\\ud800\\u0041\"", "test line 1: half a surrogate pair in a string"},
      {"\"\xC0\xAF\"", "test line 1: the text is not valid UTF-8: '\\xc0'"},
      {"\"\xED\xA0\x80\"", "test line 1: the text is not valid UTF-8: '\\xed'"},
  };
  for (const auto& one : cases) EXPECT_EQ(message_of(one.text), one.message) << one.text;
}

TEST(JsonTree, RefusesMalformedUtf8) {
  for (const char* bytes : {"\x80",
                            "\xC1\xBF",
                            "\xE0\x9F\xBF",
                            "\xE2\x82",
                            "\xF0\x8F\xBF\xBF",
                            "\xF4\x90\x80\x80",
                            "\xF5\x80\x80\x80",
                            "\xFF"}) {
    EXPECT_NE(message_of("\"" + std::string(bytes) + "\""), "") << ::testing::PrintToString(bytes);
  }
  for (const char* bytes : {"\x7F",
                            "\xC2\x80",
                            "\xE0\xA0\x80",
                            "\xED\x9F\xBF",
                            "\xEF\xBF\xBF",
                            "\xF0\x90\x80\x80",
                            "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(message_of("\"" + std::string(bytes) + "\""), "") << ::testing::PrintToString(bytes);
  }
}

TEST(JsonTree, BoundsTheDepth) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(message_of(nested(kMaxDepth)), "");
  EXPECT_EQ(message_of(nested(kMaxDepth + 1)),
            "test line 1: expected at most 128 levels of nesting");
  EXPECT_EQ(message_of(std::string(100000, '[')),
            "test line 1: expected at most 128 levels of nesting");
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  EXPECT_EQ(message_of(objects), "test line 1: expected at most 128 levels of nesting");
}

TEST(JsonTree, BoundsTheNumberOfValues) {
  std::string text = "[0";
  for (std::size_t i = 0; i < kMaxNodes; ++i) text += ",0";
  EXPECT_EQ(message_of(text + "]"), "test line 1: expected at most 1048576 values and names");
}

TEST(JsonTree, KeepsNumbersAsWritten) {
  ASSERT_OK_AND_ASSIGN(const Tree tree,
                       Tree::parse("[0,-0,18446744073709551616,1.0,1e3,-2E-7]", "test"));
  const Kind kinds[] = {
      Kind::Integer, Kind::Integer, Kind::Integer, Kind::Decimal, Kind::Decimal, Kind::Decimal};
  const char* texts[] = {"0", "-0", "18446744073709551616", "1.0", "1e3", "-2E-7"};
  ASSERT_EQ(tree[0].size, 6U);
  for (uint32_t i = 0; i < 6; ++i) {
    EXPECT_EQ(tree[i + 1].kind, kinds[i]) << texts[i];
    EXPECT_EQ(tree[i + 1].text(), texts[i]);
  }
}

TEST(JsonTree, FindsDuplicatesInSmallAndLargeObjects) {
  ASSERT_OK_AND_ASSIGN(const Tree small,
                       Tree::parse(R"({"a":{"b":1,"c":2,"\u0062":3},"b":0})", "test"));
  ASSERT_EQ(small.duplicates().size(), 1U);
  EXPECT_EQ(small.pointer(small.duplicates()[0]), "/a/b");
  std::string text = "{";
  for (int i = 0; i < 5000; ++i) text += "\"k" + std::to_string(i) + "\":{},";
  ASSERT_OK_AND_ASSIGN(const Tree unique, Tree::parse(text + "\"x\":1}", "test"));
  EXPECT_TRUE(unique.duplicates().empty());
  const std::string doubled = text + "\"k77\":1}";
  ASSERT_OK_AND_ASSIGN(const Tree large, Tree::parse(doubled, "test"));
  ASSERT_EQ(large.duplicates().size(), 1U);
  EXPECT_EQ(large.pointer(large.duplicates()[0]), "/k77");
}

TEST(JsonTree, PointersAndLinesLeadBothWays) {
  const std::string text = "{\"a\":[1,\n{\"x/y~z\":[[],\n7]}],\n\"b\":{}}";
  ASSERT_OK_AND_ASSIGN(const Tree tree, Tree::parse(text, "test"));
  const uint32_t seven = tree.locate("/a/1/x~1y~0z/1");
  EXPECT_EQ(tree[seven].text(), "7");
  EXPECT_EQ(tree.pointer(seven), "/a/1/x~1y~0z/1");
  EXPECT_EQ(tree.line(seven), 3U);
  EXPECT_EQ(tree.locate(""), 0U);
  EXPECT_EQ(tree.pointer(tree.locate("/b/no/such")), "/b") << "the nearest ancestor";
  EXPECT_EQ(tree.pointer(tree.locate("/a/2")), "/a");
  for (uint32_t i = 0; i < tree.size(); ++i) {
    const std::string pointer = tree.pointer(i);
    EXPECT_EQ(tree.pointer(tree.locate(pointer)), pointer) << i;
  }
}

TEST(JsonTree, FindsMembersInAnyOrder) {
  ASSERT_OK_AND_ASSIGN(const Tree tree, Tree::parse(R"({"a":1,"b":[2,3],"c":4})", "test"));
  uint32_t hint = 0;
  EXPECT_EQ(tree[tree.find(0, "c", hint)].text(), "4");
  EXPECT_EQ(tree[tree.find(0, "a", hint)].text(), "1");
  EXPECT_EQ(tree[tree.find(0, "b", hint)].kind, Kind::Array);
  EXPECT_EQ(tree.find(0, "d", hint), 0U);
  EXPECT_EQ(tree[tree.find(0, "a", hint)].text(), "1");
}

// Both readings of one text are the same; false at the first difference.
bool same(const Tree& tree, uint32_t& at, const Reference& reference) {
  const Node& node = tree[at++];
  switch (node.kind) {
    case Kind::Null:
      return reference.is_null();
    case Kind::False:
      return reference == Reference(false);
    case Kind::True:
      return reference == Reference(true);
    case Kind::Integer:
      return reference.is_number();
    case Kind::Decimal:
      return reference.is_number_float();
    case Kind::String:
      return reference.is_string() && reference.get_ref<const std::string&>() == node.text();
    case Kind::Array:
      if (!reference.is_array() || reference.size() != node.size) return false;
      for (const auto& element : reference) {
        if (!same(tree, at, element)) return false;
      }
      return true;
    case Kind::Object:
      if (!reference.is_object() || reference.size() != node.size) return false;
      for (const auto& [name, value] : reference.items()) {
        if (tree[at++].text() != name || !same(tree, at, value)) return false;
      }
      return true;
  }
  return false;
}

std::size_t depth_of(const std::string& text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  for (const char c : text) {
    depth += c == '[' || c == '{' ? 1U : 0U;
    deepest = std::max(deepest, depth);
  }
  return deepest;
}

void expect_agreement(const std::string& text) {
  // What corten refuses beyond the grammar: a byte order mark and depth; duplicates are merged by
  // the reference.
  if (text.starts_with("\xEF\xBB\xBF") || depth_of(text) > kMaxDepth) return;
  const auto reference = Reference::parse(text, nullptr, false);
  const auto tree = Tree::parse(text, "test");
  // The reference refuses numbers beyond a double, which the grammar allows.
  const bool huge =
      !tree ? false : reference.is_discarded() && text.find_first_of("eE.") != std::string::npos;
  if (huge) return;
  ASSERT_EQ(tree.has_value(), !reference.is_discarded()) << text << "\n" << message_of(text);
  if (!tree || !tree.value().duplicates().empty()) return;
  uint32_t at = 0;
  EXPECT_TRUE(same(tree.value(), at, reference)) << text;
  EXPECT_EQ(at, tree.value().size());
}

std::string read_config() {
  std::ifstream file(std::string(CORTEN_SOURCE_DIR) + "/tests/unit/data/full_config.json");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(JsonTree, AgreesWithTheReferenceOnAWholeConfig) {
  const std::string text = read_config();
  ASSERT_FALSE(text.empty());
  ASSERT_EQ(message_of(text), "");
  expect_agreement(text);
}

TEST(JsonTree, AgreesWithTheReferenceOnMutatedTexts) {
  const std::string seeds[] = {
      read_config().substr(0, 1500),
      R"({"a":[1,-2,3.5e+7,true,false,null],"b":{"c":"d\n\u00e9\ud83d\ude00\\"},"e":""})",
      "[\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\", [[[]]], {\"\":{}}]",
  };
  constexpr std::string_view kBytes =
      "{}[]\",:\\ubfnrt0123456789-+.eE \n\x01\x7F\xC3\xA9\xED\xA0\x80\xF0\xFF";
  std::mt19937 random(20230817);  // NOLINT(cert-msc51-cpp): the same texts in each run
  for (int round = 0; round < 20000; ++round) {
    std::string text = seeds[static_cast<std::size_t>(round) % std::size(seeds)];
    for (uint64_t edits = 1 + random() % 3; edits > 0 && !text.empty(); --edits) {
      const std::size_t at = random() % text.size();
      const char byte = kBytes[random() % kBytes.size()];
      switch (random() % 4) {
        case 0:
          text[at] = byte;
          break;
        case 1:
          text.insert(at, 1, byte);
          break;
        case 2:
          text.erase(at, 1 + random() % 3);
          break;
        default:
          text.resize(std::max<std::size_t>(at, 1));
          break;
      }
    }
    expect_agreement(text);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace corten::spec::json
