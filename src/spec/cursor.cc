#include "cursor.h"

#include <corten/base/strings.h>

namespace corten::spec {

namespace {

// A value in an error: short, and harmless to a terminal.
std::string describe(const json::Node& node) {
  constexpr std::size_t kMaxShown = 64;
  const auto shortened = [&] {
    std::string_view text = node.text();
    if (text.size() <= kMaxShown) return printable(text);
    std::size_t cut = kMaxShown;
    while (cut > 0 && (static_cast<uint8_t>(text[cut]) & 0xC0U) == 0x80) --cut;
    return printable(text.substr(0, cut)) + "...";
  };
  switch (node.kind) {
    case json::Kind::Null:
      return "null";
    case json::Kind::False:
      return "false (a boolean)";
    case json::Kind::True:
      return "true (a boolean)";
    case json::Kind::Integer:
      return shortened();
    case json::Kind::Decimal:
      return shortened() + " (not an integer)";
    case json::Kind::String:
      return "\"" + shortened() + "\" (a string)";
    case json::Kind::Array:
      return "an array";
    case json::Kind::Object:
      return "an object";
  }
  return {};
}

void note(const Cursor& cursor, std::string_view member, const std::string& message) {
  Document& document = cursor.document();
  if (!document.problems.wants_more()) return document.problems.count_only();
  std::string pointer = document.tree.pointer(cursor.index());
  if (!member.empty()) json::append_token(pointer, member);
  document.problems.add(std::move(pointer), message, document.tree.line(cursor.index()));
}

}  // namespace

void Cursor::expected(std::string_view what) const {
  note(*this, {}, "expected " + std::string(what) + ", found " + describe(node()));
}

void Cursor::missing(std::string_view name) const {
  note(*this, name, "this required property is missing");
}

std::optional<uint64_t> Cursor::integer(Range range) const {
  if (kind() == json::Kind::Integer) {
    const std::string_view text = node().text();
    if (text.front() == '-') {
      const auto value = parse_integer<int64_t>(text);
      if (value && *value >= range.min && range.min < 0) return static_cast<uint64_t>(*value);
    } else {
      const auto value = parse_integer<uint64_t>(text);
      const bool big_enough =
          range.min <= 0 || (value && *value >= static_cast<uint64_t>(range.min));
      if (value && *value <= range.max && big_enough) return *value;
    }
  }
  expected("an integer from " + std::to_string(range.min) + " to " + std::to_string(range.max));
  return std::nullopt;
}

ObjectReader::ObjectReader(Cursor cursor)
    : cursor_(cursor), is_object_(cursor.kind() == json::Kind::Object) {
  if (!is_object_) cursor.expected("an object");
}

std::optional<Cursor> ObjectReader::find(std::string_view name) {
  if (!is_object_) return std::nullopt;
  const uint32_t index = cursor_.document().tree.find(cursor_.index(), name, hint_);
  if (index == 0) return std::nullopt;
  const Cursor value = cursor_.at(index);
  if (value.is_null()) return std::nullopt;
  return value;
}

void read_value(Cursor cursor, std::string& out) {
  if (cursor.kind() != json::Kind::String) return cursor.expected("a string");
  const std::string_view text = cursor.node().text();
  if (text.find('\0') != std::string_view::npos) return cursor.expected("a string without NUL");
  out = text;
}

void read_value(Cursor cursor, bool& out) {
  if (cursor.kind() != json::Kind::True && cursor.kind() != json::Kind::False) {
    return cursor.expected("true or false");
  }
  out = cursor.kind() == json::Kind::True;
}

void read_value(Cursor cursor, StringMap& out) {
  ObjectReader object(cursor);
  object.each([&](Cursor name, Cursor value) {
    auto& [key, text] = out.emplace_back();
    read_value(name, key);
    read_value(value, text);
  });
}

void read_value(Cursor cursor, AnyText& out) {
  ObjectReader object(cursor);
  object.each([&](Cursor name, Cursor value) {
    if (value.kind() != json::Kind::String) return value.expected("a string");
    out.map.emplace_back(name.node().text(), value.node().text());
  });
}

}  // namespace corten::spec
