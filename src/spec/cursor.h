// Reading a JSON tree into types. A Cursor is a place in the document; what does not fit is noted
// as a problem and reading goes on, so that one run reports everything. Pointers and lines are
// worked out only when there is a problem. How the sections use it: see read.h.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json_tree.h"
#include "problems.h"

namespace corten::spec {

struct Document {
  const json::Tree& tree;
  Problems problems = {};
};

// Inclusive. Type limits need none.
struct Range {
  int64_t min = 0;
  uint64_t max = 0;
};

// user_namespaces(7): 4294967295 is (uid_t)-1, "leave unchanged" for setresuid(2), and never a
// valid id.
inline constexpr Range kIdRange{0, 4294967294};

class Cursor {
 public:
  Cursor(Document& document, uint32_t index) : document_(&document), index_(index) {}

  const json::Node& node() const { return document_->tree[index_]; }
  json::Kind kind() const { return node().kind; }
  bool is_null() const { return kind() == json::Kind::Null; }
  Cursor at(uint32_t index) const { return {*document_, index}; }
  Document& document() const { return *document_; }
  uint32_t index() const { return index_; }

  // Notes "expected <what>, found <this value>".
  void expected(std::string_view what) const;
  // Notes that the object here lacks a REQUIRED member.
  void missing(std::string_view name) const;

  // The integer here as the bits of its 64-bit two's complement, or a noted problem.
  std::optional<uint64_t> integer(Range range) const;

 private:
  Document* document_;
  uint32_t index_;
};

// The members of the object at a cursor. A value of another type is noted once, and then has no
// members.
class ObjectReader {
 public:
  explicit ObjectReader(Cursor cursor);

  // JSON null counts as absent: Go's encoder writes it for an unset slice, map or pointer.
  template <typename T, typename... Limits>
  void optional(std::string_view name, T& out, Limits... limits) {
    if (const auto value = find(name)) read_value(*value, out, limits...);
  }

  template <typename T, typename... Limits>
  void required(std::string_view name, T& out, Limits... limits) {
    if (const auto value = find(name)) {
      read_value(*value, out, limits...);
    } else if (is_object_) {
      cursor_.missing(name);
    }
  }

  // Calls action(name, value) for each member in the file's order.
  template <typename F>
  void each(F&& action) {
    if (!is_object_) return;
    const auto& tree = cursor_.document().tree;
    const uint32_t end = cursor_.node().next;
    for (uint32_t at = cursor_.index() + 1; at < end; at = tree[at + 1].next) {
      action(cursor_.at(at), cursor_.at(at + 1));
    }
  }

 private:
  std::optional<Cursor> find(std::string_view name);

  Cursor cursor_;
  bool is_object_;
  uint32_t hint_ = 0;
};

using StringMap = std::vector<std::pair<std::string, std::string>>;

// A string without NUL bytes: what the kernel would read as its end is refused, not cut.
void read_value(Cursor cursor, std::string& out);
void read_value(Cursor cursor, bool& out);
// A map of such strings, in the file's order.
void read_value(Cursor cursor, StringMap& out);
// A map that never reaches a system call (annotations): any text.
struct AnyText {
  StringMap& map;
};
void read_value(Cursor cursor, AnyText& out);

template <std::integral T>
void read_value(Cursor cursor, T& out, Range range) {
  if (const auto bits = cursor.integer(range)) out = static_cast<T>(*bits);
}

template <std::integral T>
void read_value(Cursor cursor, T& out) {
  using Limits = std::numeric_limits<T>;
  read_value(cursor,
             out,
             Range{static_cast<int64_t>(Limits::min()), static_cast<uint64_t>(Limits::max())});
}

template <typename T, typename... Limits>
void read_value(Cursor cursor, std::optional<T>& out, Limits... limits) {
  read_value(cursor, out.emplace(), limits...);
}

template <typename T, typename... Limits>
void read_value(Cursor cursor, std::vector<T>& out, Limits... limits) {
  if (cursor.kind() != json::Kind::Array) return cursor.expected("an array");
  const json::Node& node = cursor.node();
  out.reserve(node.size);
  for (uint32_t at = cursor.index() + 1; at < node.next; at = cursor.document().tree[at].next) {
    read_value(cursor.at(at), out.emplace_back(), limits...);
  }
}

}  // namespace corten::spec
