// One JSON text as a flat array of nodes. Strings and numbers are views into the text (only strings
// with escapes are copied, into one block), so a config of 64 KB costs two allocations and one
// pass. The scanner is corten's own because every problem is reported with its line, which needs
// the offset of each value, and because the general parsers cost more than the rest of a
// container's set-up in user space; unit tests hold it against nlohmann_json on valid, broken and
// mutated texts. Used by the spec layer only; needs no system call and throws nothing but
// std::bad_alloc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>

namespace corten::spec::json {

// Integer: digits with an optional '-'. Decimal: any other number (fraction or exponent).
enum class Kind : uint8_t { Null, False, True, Integer, Decimal, String, Array, Object };

// A node and everything below it are neighbours: the children follow their parent, `next` skips
// them. A member of an object is two nodes: its name (a String), then its value.
struct Node {
  const char* data = nullptr;  // String: the decoded bytes; numbers: as written
  uint32_t size = 0;           // bytes of data; Array, Object: number of elements or members
  uint32_t next = 0;           // index of the first node that is not below this one
  uint32_t offset = 0;         // of the first byte in the text
  Kind kind = Kind::Null;

  std::string_view text() const { return {data, size}; }
};

// Nesting deeper than this is refused; the spec's own structures need 9 levels.
inline constexpr unsigned kMaxDepth = 128;

// A text with more values than this is refused: it bounds the memory a hostile file can take.
inline constexpr std::size_t kMaxNodes = std::size_t{1} << 20U;

class Tree {
 public:
  // Reads `text`, which must outlive the tree and be shorter than 4 GiB. document: its name in
  // errors. Strict RFC 8259: UTF-8 without BOM, paired surrogates, nothing after the value. Errors:
  // InvalidSpec, "config.json line 7: expected ...". Duplicate names are no error here, they are
  // listed by duplicates().
  static Result<Tree> parse(std::string_view text, std::string_view document);

  const Node& operator[](uint32_t index) const { return nodes_[index]; }
  std::size_t size() const { return nodes_.size(); }

  // The index of member `name` of the object at `object`, 0 when there is none.
  // hint: where the search starts; set to the member behind the one found, so that asking for the
  // members in the order of the text costs one comparison each.
  uint32_t find(uint32_t object, std::string_view name, uint32_t& hint) const;

  // Name nodes of members whose name occurs earlier in the same object.
  const std::vector<uint32_t>& duplicates() const { return duplicates_; }

  // RFC 6901 pointer of a node (a name node counts as its value). Linear; for errors.
  std::string pointer(uint32_t index) const;

  // The node at `pointer`, or its nearest ancestor that exists.
  uint32_t locate(std::string_view pointer) const;

  // Line, from 1, on which the node starts.
  std::size_t line(uint32_t index) const;

 private:
  friend class Scanner;

  std::string_view text_;
  std::vector<Node> nodes_;
  std::vector<uint32_t> duplicates_;
  std::unique_ptr<char[]> decoded_;  // the strings that had escapes
};

// Appends one reference token to an RFC 6901 pointer.
void append_token(std::string& pointer, std::string_view token);

}  // namespace corten::spec::json
