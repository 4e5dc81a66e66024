#include "json_tree.h"

#include <algorithm>

#include "json_scanner.h"
#include <corten/base/strings.h>

namespace corten::spec::json {

namespace {

std::size_t line_of_offset(std::string_view text, std::size_t offset) {
  return 1 + static_cast<std::size_t>(std::count(
                 text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
}

std::string decode_token(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size()) {
      out += token[++i] == '1' ? '/' : '~';
    } else {
      out += token[i];
    }
  }
  return out;
}

}  // namespace

void append_token(std::string& pointer, std::string_view token) {
  pointer += '/';
  for (const char c : token) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
}

Result<Tree> Tree::parse(std::string_view text, std::string_view document) {
  Tree tree;
  Scanner scanner(tree, text);
  if (scanner.run()) return tree;
  std::string message(document);
  message += " line " + std::to_string(line_of_offset(text, scanner.error_offset())) + ": ";
  return Error(ErrorKind::InvalidSpec, message + scanner.error_text());
}

uint32_t Tree::find(uint32_t object, std::string_view name, uint32_t& hint) const {
  const uint32_t first = object + 1;
  const uint32_t end = nodes_[object].next;
  const uint32_t start = hint >= first && hint < end ? hint : first;
  for (uint32_t at = start; at < end; at = nodes_[at + 1].next) {
    if (nodes_[at].text() != name) continue;
    hint = nodes_[at + 1].next;
    return at + 1;
  }
  for (uint32_t at = first; at < start; at = nodes_[at + 1].next) {
    if (nodes_[at].text() != name) continue;
    hint = nodes_[at + 1].next;
    return at + 1;
  }
  return 0;
}

std::string Tree::pointer(uint32_t index) const {
  std::string pointer;
  uint32_t at = 0;
  while (at != index) {
    const bool is_object = nodes_[at].kind == Kind::Object;
    uint32_t child = at + 1;
    std::size_t position = 0;
    for (;; ++position) {
      const uint32_t value = is_object ? child + 1 : child;
      if (index < nodes_[value].next) break;
      child = nodes_[value].next;
    }
    if (!is_object) {
      append_token(pointer, std::to_string(position));
      at = child;
      continue;
    }
    append_token(pointer, nodes_[child].text());
    if (index == child) return pointer;
    at = child + 1;
  }
  return pointer;
}

uint32_t Tree::locate(std::string_view pointer) const {
  uint32_t at = 0;
  if (pointer.empty()) return at;
  for (const auto part : split(pointer.substr(1), '/')) {
    const std::string token = decode_token(part);
    uint32_t next = 0;
    if (nodes_[at].kind == Kind::Object) {
      uint32_t hint = 0;
      next = find(at, token, hint);
    } else if (nodes_[at].kind == Kind::Array) {
      const auto position = parse_integer<uint32_t>(token);
      if (position && *position < nodes_[at].size) {
        next = at + 1;
        for (uint32_t i = 0; i < *position; ++i) next = nodes_[next].next;
      }
    }
    if (next == 0) return at;
    at = next;
  }
  return at;
}

std::size_t Tree::line(uint32_t index) const { return line_of_offset(text_, nodes_[index].offset); }

}  // namespace corten::spec::json
