#include <cstdint>

#include <corten/base/strings.h>

namespace corten {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::size_t utf8_length(std::string_view text) {
  const auto within = [&](std::size_t i, uint8_t low, uint8_t high) {
    const auto byte = i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0};
    return byte >= low && byte <= high;
  };
  const auto lead = static_cast<uint8_t>(text.front());
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return within(1, 0x80, 0xBF) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const uint8_t low = lead == 0xE0 ? 0xA0 : 0x80;
    const uint8_t high = lead == 0xED ? 0x9F : 0xBF;
    return within(1, low, high) && within(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const uint8_t low = lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xF4 ? 0x8F : 0xBF;
    return within(1, low, high) && within(2, 0x80, 0xBF) && within(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

namespace {

// What a terminal or a viewer obeys instead of showing it: the control characters, those from
// U+0080 to U+009F among them, the separators of lines and paragraphs, and the marks that turn the
// direction of the text. text: starts with a sequence of that length.
bool is_control(std::string_view text, std::size_t length) {
  const auto byte = [&](std::size_t i) { return static_cast<uint8_t>(text[i]); };
  if (length == 1) return byte(0) < 0x20 || byte(0) == 0x7f;
  if (length == 2) return byte(0) == 0xC2 && byte(1) < 0xA0;
  if (length != 3 || byte(0) != 0xE2) return false;
  if (byte(1) == 0x80) return byte(2) >= 0xA8 && byte(2) <= 0xAE;  // U+2028 to U+202E
  return byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9;    // U+2066 to U+2069
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto length = std::max(utf8_length(text), std::size_t{1});
    const bool shown = utf8_length(text) != 0 && !is_control(text, length);
    if (shown) out.append(text.substr(0, length));
    for (std::size_t i = 0; i < length && !shown; ++i) {
      const auto byte = static_cast<uint8_t>(text[i]);
      out += "\\x";
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xfU];
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string quote(std::string_view text) { return "'" + printable(text) + "'"; }

std::string clean_path(std::string_view path) {
  std::string out;
  for (const auto part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      const auto slash = out.rfind('/');
      out.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    out += '/';
    out += part;
  }
  return out.empty() ? "/" : out;
}

bool has_dotdot(std::string_view path) {
  for (const auto part : split(path, '/')) {
    if (part == "..") return true;
  }
  return false;
}

}  // namespace corten
