// events.
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "command.h"
#include <corten/base/strings.h>

namespace corten::cli {

namespace {

struct Unit {
  std::string_view name;
  int64_t microseconds;
};
// The longer name first: "ms" is not "m" and an "s".
constexpr Unit kUnits[] = {{"ms", 1000},
                           {"us", 1},
                           {"\xC2\xB5s", 1},  // micro sign
                           {"ns", 0},
                           {"h", 3600000000},
                           {"m", 60000000},
                           {"s", 1000000}};

// The digits of a decimal number in front of `text`, which loses them: value and number of decimals
// are kept apart, so that nothing is rounded.
std::optional<double> take_decimal(std::string_view& text) {
  const auto end = text.find_first_not_of("0123456789.");
  const std::string_view digits = text.substr(0, end);
  const auto parts = split(digits, '.');
  if (parts.size() > 2 || digits.empty() || digits == "." || digits.size() > 18)
    return std::nullopt;
  const auto whole = parts[0].empty() ? int64_t{0} : parse_integer<int64_t>(parts[0]);
  if (!whole) return std::nullopt;
  auto value = static_cast<double>(*whole);
  double scale = 0.1;
  for (const char c : parts.size() > 1 ? parts[1] : std::string_view()) {
    value += scale * (c - '0');
    scale /= 10;
  }
  text.remove_prefix(digits.size());
  return value;
}

}  // namespace

// As Go's time.ParseDuration writes them: "5s", "1m30s", "1.5h", "250ms".
Result<int> parse_interval(std::string_view text) {
  const Error bad(
      ErrorKind::InvalidArgument,
      fmt::format("--interval takes a time of 1ms or more such as 5s, 250ms or 1m30s, not {}",
                  quote(text)));
  std::string_view rest = text;
  double microseconds = 0;
  while (!rest.empty()) {
    const auto value = take_decimal(rest);
    const Unit* unit = nullptr;
    for (const auto& one : kUnits) {
      if (unit == nullptr && rest.starts_with(one.name)) unit = &one;
    }
    if (!value || unit == nullptr) return bad;
    microseconds +=
        unit->name == "ns" ? *value / 1000 : *value * static_cast<double>(unit->microseconds);
    rest.remove_prefix(unit->name.size());
  }
  const double milliseconds = std::round(microseconds / 1000);
  if (milliseconds < 1 || milliseconds > std::numeric_limits<int>::max()) return bad;
  return static_cast<int>(milliseconds);
}

Result<int> events_command(const Invocation& invocation) {
  const std::string& id = invocation.options.positional.front();
  const int interval = TRY(parse_interval(invocation.options.value_or("interval", "5s")));
  if (invocation.options.has("stats")) {
    const std::string line = TRY(runtime::stats(invocation.context, id));
    TRY(print(line + "\n"));
    return 0;
  }
  const auto sink = [](const std::string& line) { return print(line + "\n"); };
  TRY(runtime::events(invocation.context, id, interval, sink));
  return 0;
}

}  // namespace corten::cli
