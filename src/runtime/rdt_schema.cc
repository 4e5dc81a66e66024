#include "rdt_schema.h"

#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include <corten/base/strings.h>

namespace corten::runtime {

namespace {

// {resource, cache or domain} -> the value as it is written.
using Values = std::map<std::pair<std::string_view, uint64_t>, std::string_view>;

// "L3:0=7f0;1=1f", with blanks anywhere. nullopt: not of this form.
std::optional<Values> parse_schema(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view resource = trim(line.substr(0, colon));
  Values values;
  for (const auto part : split(line.substr(colon + 1), ';')) {
    if (trim(part).empty()) continue;
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const auto domain = parse_integer<uint64_t>(trim(part.substr(0, equals)));
    if (!domain) return std::nullopt;
    values[{resource, *domain}] = trim(part.substr(equals + 1));
  }
  return values;
}

Values parse_schemata(std::string_view text) {
  Values all;
  for (const auto line : split(text, '\n')) {
    std::optional<Values> values = parse_schema(line);
    if (values) all.merge(*values);
  }
  return all;
}

// MB and SMBA are bandwidths, in decimal; all others are bit masks.
bool is_bandwidth(std::string_view resource) { return resource.find("MB") != resource.npos; }

std::optional<uint64_t> parse_mask(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  uint64_t mask = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, mask, 16);
  if (code != std::errc() || stop != end || text.empty()) return std::nullopt;
  return mask;
}

bool same_value(std::string_view resource,
                std::string_view wanted,
                std::string_view present,
                uint64_t step) {
  if (wanted == present) return true;
  if (!is_bandwidth(resource)) {
    const auto mask = parse_mask(wanted);
    return mask && mask == parse_mask(present);
  }
  const auto value = parse_integer<uint64_t>(wanted);
  const auto other = parse_integer<uint64_t>(present);
  if (!value || !other || step == 0) return value && value == other;
  return *value == *other || (*value + step - 1) / step * step == *other;
}

Error mismatch(const plan::RdtSchema& schema, const std::string& there) {
  return Error::spec(
      schema.pointer,
      "the class of service exists and has " + there + " instead of " + quote(schema.line));
}

Result<> match_line(const plan::RdtSchema& schema,
                    const Values& present,
                    const Values& overridden,
                    uint64_t step) {
  const std::optional<Values> wanted = parse_schema(schema.line);
  if (!wanted) return mismatch(schema, "other lines");
  for (const auto& [place, value] : *wanted) {
    if (overridden.contains(place)) continue;
    const auto found = present.find(place);
    const std::string name = std::string(place.first) + ":" + std::to_string(place.second);
    if (found == present.end()) return mismatch(schema, "no " + quote(name));
    if (!same_value(place.first, value, found->second, step))
      return mismatch(schema, quote(name + "=" + std::string(found->second)));
  }
  return {};
}

}  // namespace

Result<> match_schemata(const std::vector<plan::RdtSchema>& wanted,
                        std::string_view present,
                        uint64_t bandwidth_step) {
  const Values values = parse_schemata(present);
  Values overridden;
  for (const auto& schema : wanted) {
    if (schema.must_match) continue;
    std::optional<Values> line = parse_schema(schema.line);
    if (line) overridden.merge(*line);
  }
  for (const auto& schema : wanted) {
    if (schema.must_match) TRY(match_line(schema, values, overridden, bandwidth_step));
  }
  return {};
}

std::vector<std::string> schemata_lines(std::string_view text) {
  std::vector<std::string> lines;
  for (const auto line : split(text, '\n')) {
    const std::string_view trimmed = trim(line);
    if (!trimmed.empty()) lines.emplace_back(trimmed);
  }
  return lines;
}

}  // namespace corten::runtime
