// The text form of GVariant.
#include <cctype>
#include <cstdlib>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "dbus_value.h"
#include <corten/base/strings.h>

namespace corten::cgroup::dbus {

namespace {

constexpr unsigned kMaxDepth = 16;

struct Keyword {
  std::string_view word;
  std::string_view signature;
};
constexpr Keyword kTypes[] = {{"boolean", "b"},
                              {"byte", "y"},
                              {"int16", "n"},
                              {"uint16", "q"},
                              {"int32", "i"},
                              {"uint32", "u"},
                              {"int64", "x"},
                              {"uint64", "t"},
                              {"double", "d"},
                              {"string", "s"},
                              {"objectpath", "o"},
                              {"signature", "g"}};

struct Range {
  int64_t least;
  uint64_t most;
};

std::optional<Range> range_of(char type) {
  switch (type) {
    case 'y':
      return Range{0, 0xff};
    case 'n':
      return Range{INT16_MIN, INT16_MAX};
    case 'q':
      return Range{0, UINT16_MAX};
    case 'i':
      return Range{INT32_MIN, INT32_MAX};
    case 'u':
      return Range{0, UINT32_MAX};
    case 'x':
      return Range{INT64_MIN, INT64_MAX};
    case 't':
      return Range{0, UINT64_MAX};
    default:
      return std::nullopt;
  }
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Value> whole() {
    Value value = TRY(any("", 0));
    skip();
    if (at_ != text_.size()) return wrong("something follows the value");
    return value;
  }

 private:
  Error wrong(std::string_view why) const {
    return Error(ErrorKind::InvalidSpec,
                 fmt::format("{} is not a value in GVariant's text format: {} at character {}",
                             quote(text_),
                             why,
                             at_ + 1));
  }

  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n'))
      ++at_;
  }

  char peek() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  std::string_view word() {
    skip();
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  // wanted: the signature that the place needs, "" = as the text says.
  Result<Value> any(std::string_view wanted, unsigned depth) {
    if (depth > kMaxDepth) return wrong("too deep");
    switch (peek()) {
      case '@':
        return annotated(depth);
      case '\'':
      case '"':
        return quoted(wanted);
      case '[':
        return list(wanted, depth);
      case '(':
        return tuple(wanted, depth);
      default:
        return std::isalpha(static_cast<unsigned char>(peek())) != 0 ? named(wanted, depth)
                                                                     : number(wanted);
    }
  }

  // true, false, or a type in front of a value.
  Result<Value> named(std::string_view wanted, unsigned depth) {
    const std::string_view name = word();
    if (name == "true" || name == "false") {
      if (!wanted.empty() && wanted != "b") return wrong("a boolean in the wrong place");
      return boolean(name == "true");
    }
    for (const auto& type : kTypes) {
      if (type.word == name) return any(type.signature, depth + 1);
    }
    return wrong("no value");
  }

  // "@as []": the type itself in front.
  Result<Value> annotated(unsigned depth) {
    ++at_;
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != ' ') ++at_;
    const std::string signature(text_.substr(begin, at_ - begin));
    if (signature.empty() || signature.find_first_not_of("abynqiuxtdsog()") != std::string::npos)
      return wrong("an unknown type");
    return any(signature, depth + 1);
  }

  Result<Value> quoted(std::string_view wanted) {
    if (!wanted.empty() && wanted != "s" && wanted != "o" && wanted != "g")
      return wrong("a string in the wrong place");
    const char end = text_[at_++];
    std::string value;
    while (at_ < text_.size() && text_[at_] != end) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      value += text_[at_++];
    }
    if (at_ == text_.size()) return wrong("the string does not end");
    ++at_;
    return Value{wanted.empty() ? "s" : std::string(wanted), std::move(value)};
  }

  Result<Value> number(std::string_view wanted) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (is_word(text_[at_]) || std::string_view("+-.").find(text_[at_]) !=
                                                             std::string_view::npos))
      ++at_;
    const std::string digits(text_.substr(begin, at_ - begin));
    const bool real = digits.find_first_of(".eE") != std::string::npos;
    if (wanted == "d" || (wanted.empty() && real)) return real_number(digits);
    return integer(wanted.empty() ? "i" : wanted, digits);
  }

  Result<Value> real_number(const std::string& digits) const {
    char* end = nullptr;
    const double value = std::strtod(digits.c_str(), &end);
    if (digits.empty() || *end != '\0') return wrong("a malformed number");
    return Value{"d", value};
  }

  Result<Value> integer(std::string_view type, std::string_view digits) const {
    const auto range = type.size() == 1 ? range_of(type.front()) : std::nullopt;
    if (!range) return wrong("a number in the wrong place");
    if (digits.starts_with('-')) {
      const auto value = parse_integer<int64_t>(digits);
      if (!value || *value < range->least) return wrong("a number that does not fit its type");
      return Value{std::string(type), static_cast<uint64_t>(*value)};
    }
    const auto value = parse_integer<uint64_t>(digits);
    if (!value || *value > range->most) return wrong("a number that does not fit its type");
    return Value{std::string(type), *value};
  }

  Result<Value> list(std::string_view wanted, unsigned depth) {
    ++at_;
    if (!wanted.empty() && wanted.front() != 'a') return wrong("an array in the wrong place");
    std::string element(wanted.empty() ? "" : wanted.substr(1));
    std::vector<Value> values;
    while (!accept(']')) {
      if (!values.empty() && !accept(',')) return wrong("',' or ']' is missing");
      values.push_back(TRY(any(element, depth + 1)));
      if (element.empty()) element = values.front().signature;
      if (values.back().signature != element) return wrong("the elements differ in type");
    }
    if (element.empty()) return wrong("an empty array needs its type in front, as in '@as []'");
    return array(element, std::move(values));
  }

  Result<Value> tuple(std::string_view wanted, unsigned depth) {
    ++at_;
    std::vector<Value> values;
    while (!accept(')')) {
      if (!values.empty() && !accept(',')) return wrong("',' or ')' is missing");
      if (!values.empty() && accept(')')) break;
      values.push_back(TRY(any("", depth + 1)));
    }
    Value made = structure(std::move(values));
    if (!wanted.empty() && made.signature != wanted) return wrong("a tuple of another type");
    return made;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<Value> parse_value(std::string_view text) { return Parser(text).whole(); }

}  // namespace corten::cgroup::dbus
