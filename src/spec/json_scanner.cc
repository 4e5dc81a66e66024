#include "json_scanner.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include <corten/base/strings.h>

namespace corten::spec::json {

namespace {

// Bytes that may stand in a string without any further look: printable ASCII but '"' and '\'.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned byte = 0x20; byte < 0x80; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}();

uint8_t byte_at(const char* at) { return static_cast<uint8_t>(*at); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(char*& out, uint32_t code) {
  const auto put = [&](uint32_t byte) { *out++ = static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0U | (code >> 6U));
  } else if (code < 0x10000) {
    put(0xE0U | (code >> 12U));
    put(0x80U | ((code >> 6U) & 0x3FU));
  } else {
    put(0xF0U | (code >> 18U));
    put(0x80U | ((code >> 12U) & 0x3FU));
    put(0x80U | ((code >> 6U) & 0x3FU));
  }
  put(0x80U | (code & 0x3FU));
}

// What an error says about the byte at `at`.
std::string found(const char* at, const char* end) {
  if (at == end) return "the end of the file";
  const auto length =
      std::max<std::size_t>(utf8_length({at, static_cast<std::size_t>(end - at)}), 1);
  return quote({at, length});
}

}  // namespace

Scanner::Scanner(Tree& tree, std::string_view text)
    : tree_(tree), begin_(text.data()), at_(text.data()), end_(text.data() + text.size()) {
  tree_.text_ = text;
  // Engines' configs have a node per 12 to 20 bytes.
  tree_.nodes_.reserve(std::min<std::size_t>(text.size() / 12 + 16, 1U << 16U));
}

bool Scanner::run() {
  skip_blanks();
  if (at_ == end_) return fail(at_, "the text is empty");
  if (!read_value(0)) return false;
  skip_blanks();
  return at_ == end_ || expected("the end of the file");
}

bool Scanner::fail(const char* where, std::string_view message) {
  error_offset_ = static_cast<std::size_t>(where - begin_);
  error_text_ = message;
  return false;
}

bool Scanner::expected(std::string_view what) {
  return fail(
      at_, "expected " + std::string(what) + ", found " + found(at_, end_) + std::string(hint()));
}

// What people write who think of another language or encoding.
std::string_view Scanner::hint() const {
  if (at_ == end_) return {};
  const std::string_view rest(at_, static_cast<std::size_t>(end_ - at_));
  if (rest.starts_with("\xEF\xBB\xBF")) return " (a byte order mark: save the text without it)";
  if (utf8_length(rest) == 0) return " (the text is not UTF-8)";
  if (rest.front() == '/' || rest.front() == '#') return " (JSON has no comments)";
  if (rest.front() == '\'') return " (JSON has double quotes only)";
  return {};
}

void Scanner::skip_blanks() {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
}

bool Scanner::add_node(Kind kind) {
  if (tree_.nodes_.size() >= kMaxNodes) {
    return fail(at_, "expected at most " + std::to_string(kMaxNodes) + " values and names");
  }
  const auto index = static_cast<uint32_t>(tree_.nodes_.size());
  tree_.nodes_.push_back({.data = at_,
                          .size = 0,
                          .next = index + 1,
                          .offset = static_cast<uint32_t>(at_ - begin_),
                          .kind = kind});
  return true;
}

void Scanner::close_node(uint32_t index, uint32_t count) {
  tree_.nodes_[index].size = count;
  tree_.nodes_[index].next = static_cast<uint32_t>(tree_.nodes_.size());
}

bool Scanner::read_value(unsigned depth) {
  if (at_ == end_) return expected("a value");
  switch (*at_) {
    case '{':
      return read_object(depth + 1);
    case '[':
      return read_array(depth + 1);
    case '"':
      return read_string();
    case 't':
      return read_word("true", Kind::True);
    case 'f':
      return read_word("false", Kind::False);
    case 'n':
      return read_word("null", Kind::Null);
    default:
      break;
  }
  if (*at_ == '-' || is_digit(*at_)) return read_number();
  return expected("a value");
}

bool Scanner::read_word(std::string_view word, Kind kind) {
  if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(word)) {
    return expected("a value");
  }
  if (!add_node(kind)) return false;
  at_ += word.size();
  return true;
}

bool Scanner::read_object(unsigned depth) {
  if (depth > kMaxDepth) {
    return fail(at_, "expected at most " + std::to_string(kMaxDepth) + " levels of nesting");
  }
  const auto index = static_cast<uint32_t>(tree_.nodes_.size());
  if (!add_node(Kind::Object)) return false;
  ++at_;
  skip_blanks();
  uint32_t count = 0;
  if (at_ == end_ || *at_ != '}') {
    for (;;) {
      if (count > 0 && at_ != end_ && *at_ == '}')
        return expected("a name in double quotes (no comma may stand before '}')");
      if (at_ == end_ || *at_ != '"') return expected("a name in double quotes");
      if (!read_string()) return false;
      skip_blanks();
      if (at_ == end_ || *at_ != ':') return expected("':'");
      ++at_;
      skip_blanks();
      if (!read_value(depth)) return false;
      ++count;
      skip_blanks();
      if (at_ == end_ || (*at_ != ',' && *at_ != '}')) return expected("',' or '}'");
      if (*at_ == '}') break;
      ++at_;
      skip_blanks();
    }
  }
  ++at_;
  close_node(index, count);
  note_duplicates(index);
  return true;
}

bool Scanner::read_array(unsigned depth) {
  if (depth > kMaxDepth) {
    return fail(at_, "expected at most " + std::to_string(kMaxDepth) + " levels of nesting");
  }
  const auto index = static_cast<uint32_t>(tree_.nodes_.size());
  if (!add_node(Kind::Array)) return false;
  ++at_;
  skip_blanks();
  uint32_t count = 0;
  if (at_ == end_ || *at_ != ']') {
    for (;;) {
      if (count > 0 && at_ != end_ && *at_ == ']')
        return expected("a value (no comma may stand before ']')");
      if (!read_value(depth)) return false;
      ++count;
      skip_blanks();
      if (at_ == end_ || (*at_ != ',' && *at_ != ']')) return expected("',' or ']'");
      if (*at_ == ']') break;
      ++at_;
      skip_blanks();
    }
  }
  ++at_;
  close_node(index, count);
  return true;
}

// Moves over characters that stand for themselves, to the closing quote or a backslash.
bool Scanner::skip_text() {
  for (;;) {
    while (at_ != end_ && kPlain[byte_at(at_)]) ++at_;
    if (at_ == end_) return expected("the closing quote of a string");
    if (*at_ == '"' || *at_ == '\\') return true;
    if (byte_at(at_) < 0x20) return fail(at_, "control characters in a string must be escaped");
    const auto length = utf8_length({at_, static_cast<std::size_t>(end_ - at_)});
    if (length == 0) return fail(at_, "the text is not valid UTF-8: " + found(at_, end_));
    at_ += length;
  }
}

bool Scanner::read_string() {
  const auto index = static_cast<uint32_t>(tree_.nodes_.size());
  if (!add_node(Kind::String)) return false;
  const char* const start = ++at_;
  if (!skip_text()) return false;
  if (*at_ == '\\') return read_escapes(start, index);
  tree_.nodes_[index].data = start;
  tree_.nodes_[index].size = static_cast<uint32_t>(at_ - start);
  ++at_;
  return true;
}

// Decodes the string that begins at `start`; at_ is at its first backslash. Decoded text is never
// longer than its source, so one block with the size of the rest of the text holds them all.
bool Scanner::read_escapes(const char* start, uint32_t index) {
  if (!tree_.decoded_) {
    tree_.decoded_ = std::make_unique_for_overwrite<char[]>(static_cast<std::size_t>(end_ - start));
    decoded_end_ = tree_.decoded_.get();
  }
  char* const first = decoded_end_;
  char* out = first;
  const char* from = start;
  for (;;) {
    out = std::copy(from, at_, out);
    if (*at_ == '"') break;
    if (!read_escape(out)) return false;
    from = at_;
    if (!skip_text()) return false;
  }
  ++at_;
  decoded_end_ = out;
  tree_.nodes_[index].data = first;
  tree_.nodes_[index].size = static_cast<uint32_t>(out - first);
  return true;
}

bool Scanner::read_escape(char*& out) {
  ++at_;
  if (at_ == end_) return expected("an escape sequence");
  switch (*at_) {
    case '"':
    case '\\':
    case '/':
      *out++ = *at_;
      break;
    case 'b':
      *out++ = '\b';
      break;
    case 'f':
      *out++ = '\f';
      break;
    case 'n':
      *out++ = '\n';
      break;
    case 'r':
      *out++ = '\r';
      break;
    case 't':
      *out++ = '\t';
      break;
    case 'u':
      return read_unicode(out);
    default:
      return expected("one of \"\\/bfnrtu after a backslash");
  }
  ++at_;
  return true;
}

bool Scanner::read_code_unit(uint32_t& unit) {
  unit = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    if (at_ == end_) return expected("four hexadecimal digits");
    const char c = *at_;
    uint32_t digit = 0;
    if (is_digit(c)) {
      digit = static_cast<uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<uint32_t>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<uint32_t>(c - 'A') + 10;
    } else {
      return expected("four hexadecimal digits");
    }
    unit = unit * 16 + digit;
  }
  return true;
}

// at_ is at the 'u' of \uXXXX.
bool Scanner::read_unicode(char*& out) {
  const char* const where = at_ - 1;
  ++at_;
  uint32_t code = 0;
  if (!read_code_unit(code)) return false;
  if (code >= 0xDC00 && code <= 0xDFFF) return fail(where, "half a surrogate pair in a string");
  if (code >= 0xD800 && code <= 0xDBFF) {
    uint32_t low = 0;
    if (end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u') {
      return fail(where, "half a surrogate pair in a string");
    }
    at_ += 2;
    if (!read_code_unit(low)) return false;
    if (low < 0xDC00 || low > 0xDFFF) return fail(where, "half a surrogate pair in a string");
    code = 0x10000 + ((code - 0xD800) << 10U) + (low - 0xDC00);
  }
  append_utf8(out, code);
  return true;
}

bool Scanner::read_digits() {
  if (at_ == end_ || !is_digit(*at_)) return expected("a digit");
  while (at_ != end_ && is_digit(*at_)) ++at_;
  return true;
}

bool Scanner::read_number() {
  const auto index = static_cast<uint32_t>(tree_.nodes_.size());
  if (!add_node(Kind::Integer)) return false;
  const char* const start = at_;
  if (*at_ == '-') ++at_;
  if (at_ != end_ && *at_ == '0') {
    ++at_;
    if (at_ != end_ && is_digit(*at_)) return fail(at_, "a number must not start with 0");
  } else if (!read_digits()) {
    return false;
  }
  if (at_ != end_ && *at_ == '.') {
    ++at_;
    tree_.nodes_[index].kind = Kind::Decimal;
    if (!read_digits()) return false;
  }
  if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
    ++at_;
    tree_.nodes_[index].kind = Kind::Decimal;
    if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
    if (!read_digits()) return false;
  }
  tree_.nodes_[index].size = static_cast<uint32_t>(at_ - start);
  return true;
}

// Remembers the names of `object` that occur a second time: every pair is compared in a small
// object, a large one (annotations can be thousands) is sorted.
void Scanner::note_duplicates(uint32_t object) {
  constexpr uint32_t kSmall = 16;
  const auto& nodes = tree_.nodes_;
  const uint32_t end = nodes[object].next;
  const auto following = [&](uint32_t name) { return nodes[name + 1].next; };
  if (nodes[object].size <= kSmall) {
    for (uint32_t name = object + 1; name < end; name = following(name)) {
      for (uint32_t other = object + 1; other < name; other = following(other)) {
        if (nodes[other].text() != nodes[name].text()) continue;
        tree_.duplicates_.push_back(name);
        break;
      }
    }
    return;
  }
  std::vector<uint32_t> names;
  names.reserve(nodes[object].size);
  for (uint32_t name = object + 1; name < end; name = following(name)) names.push_back(name);
  std::sort(names.begin(), names.end(), [&](uint32_t a, uint32_t b) {
    const int order = nodes[a].text().compare(nodes[b].text());
    return order != 0 ? order < 0 : a < b;
  });
  for (std::size_t i = 1; i < names.size(); ++i) {
    if (nodes[names[i]].text() == nodes[names[i - 1]].text()) tree_.duplicates_.push_back(names[i]);
  }
}

}  // namespace corten::spec::json
