// Text helpers without locale, allocation on the happy path or exceptions.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace corten {

// Parses all of `text` as a decimal integer: no sign for unsigned types, no "+", no white space, no
// leading or trailing characters. nullopt when it does not fit.
template <std::integral T>
std::optional<T> parse_integer(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc() || stop != end || text.empty()) return std::nullopt;
  return value;
}

// Splits at every `separator`; "a::b" gives three parts, "" gives one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);

// Without leading and trailing blanks, tabs and line ends.
std::string_view trim(std::string_view text);

// Length in bytes (1 to 4) of the well-formed UTF-8 sequence at the start of `text`, 0 when there
// is none (Unicode table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF).
// Precondition: text is not empty.
std::size_t utf8_length(std::string_view text);

// Quoted for a person: control characters, quotes and non-ASCII bytes that are not valid UTF-8 are
// escaped, so that hostile text in an error cannot forge a log line or drive a terminal.
std::string quote(std::string_view text);

// The same escaping without the quotes.
std::string printable(std::string_view text);

// Absolute, without "//", "/./" and trailing "/"; ".." is resolved lexically and never leaves "/".
std::string clean_path(std::string_view path);

// True when one of the path's components is "..".
bool has_dotdot(std::string_view path);

}  // namespace corten
