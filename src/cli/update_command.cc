// update.
#include <limits>

#include <fmt/format.h>

#include "command.h"
#include <corten/base/strings.h>
#include <corten/spec/parse.h>
#include <corten/spec/validate.h>

namespace corten::cli {

namespace {

// "512M": bytes with the suffixes K, M, G, T (powers of 1024, an optional B behind them); -1 = no
// limit.
Result<int64_t> parse_bytes(std::string_view option, std::string_view text) {
  const auto bad = [&] {
    return Error(
        ErrorKind::InvalidArgument,
        fmt::format(
            "--{} takes a number of bytes such as 536870912 or 512M, not {}", option, quote(text)));
  };
  std::string_view digits = text;
  int shift = 0;
  const auto suffix = digits.find_first_not_of("-0123456789");
  if (suffix != std::string_view::npos) {
    std::string unit(digits.substr(suffix));
    for (char& c : unit) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    if (unit.size() == 2 && unit[1] == 'B') unit.pop_back();
    constexpr std::string_view kUnits = "BKMGT";
    const auto power = unit.size() == 1 ? kUnits.find(unit[0]) : std::string_view::npos;
    if (power == std::string_view::npos) return bad();
    shift = static_cast<int>(power) * 10;
    digits = digits.substr(0, suffix);
  }
  const auto value = parse_integer<int64_t>(digits);
  if (!value || *value < -1 || *value > (std::numeric_limits<int64_t>::max() >> shift))
    return bad();
  return *value < 0 ? *value : *value << shift;
}

template <typename T>
Result<std::optional<T>> read_number(const Parsed& parsed, std::string_view option) {
  const auto text = parsed.value(option);
  if (!text) return std::optional<T>();
  const auto value = parse_integer<T>(*text);
  if (!value)
    return Error(ErrorKind::InvalidArgument,
                 fmt::format("--{} takes a number, not {}", option, quote(*text)));
  return std::optional<T>(*value);
}

Result<std::optional<int64_t>> read_bytes(const Parsed& parsed, std::string_view option) {
  const auto text = parsed.value(option);
  if (!text) return std::optional<int64_t>();
  return std::optional<int64_t>(TRY(parse_bytes(option, *text)));
}

Result<spec::Resources> resources_from_flags(const Parsed& parsed) {
  spec::Resources resources;
  auto& cpu = resources.cpu.emplace();
  cpu.shares = TRY(read_number<uint64_t>(parsed, "cpu-share"));
  cpu.period = TRY(read_number<uint64_t>(parsed, "cpu-period"));
  cpu.quota = TRY(read_number<int64_t>(parsed, "cpu-quota"));
  cpu.burst = TRY(read_number<uint64_t>(parsed, "cpu-burst"));
  cpu.realtime_period = TRY(read_number<uint64_t>(parsed, "cpu-rt-period"));
  cpu.realtime_runtime = TRY(read_number<int64_t>(parsed, "cpu-rt-runtime"));
  cpu.idle = TRY(read_number<int64_t>(parsed, "cpu-idle"));
  cpu.cpus = parsed.value_or("cpuset-cpus", "");
  cpu.mems = parsed.value_or("cpuset-mems", "");
  auto& memory = resources.memory.emplace();
  memory.limit = TRY(read_bytes(parsed, "memory"));
  memory.reservation = TRY(read_bytes(parsed, "memory-reservation"));
  memory.swap = TRY(read_bytes(parsed, "memory-swap"));
  resources.pids.emplace().limit = TRY(read_number<int64_t>(parsed, "pids-limit"));
  resources.block_io.emplace().weight = TRY(read_number<uint16_t>(parsed, "blkio-weight"));
  return resources;
}

Result<spec::Resources> read_resources(const Parsed& parsed) {
  const auto file = parsed.value("resources");
  if (!file) return resources_from_flags(parsed);
  const std::string text = TRY(read_input("--resources", *file));
  return spec::load_resources(text);
}

}  // namespace

Result<int> update_command(const Invocation& invocation) {
  const spec::Resources resources = TRY(read_resources(invocation.options));
  // Not part of linux.resources: they go with either form.
  spec::IntelRdt rdt;
  rdt.l3_cache_schema = invocation.options.value_or("l3-cache-schema", "");
  rdt.mem_bw_schema = invocation.options.value_or("mem-bw-schema", "");
  TRY(runtime::update(invocation.context, invocation.options.positional.front(), resources, rdt));
  return 0;
}

}  // namespace corten::cli
