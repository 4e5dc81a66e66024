#include "unit_properties.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <corten/base/strings.h>

namespace corten::cgroup {

namespace {

constexpr uint64_t kInfinity = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kSecondUs = 1000000;
constexpr uint64_t kQuotaStepUs = 10000;  // systemd keeps whole percents of a CPU
constexpr std::size_t kMaxCpu = 8192;

struct Limit {
  std::string_view file;
  std::string_view property;
};
// One number, "max" or -1 for none.
constexpr Limit kLimits[] = {{"memory.max", "MemoryMax"},
                             {"memory.high", "MemoryHigh"},
                             {"memory.low", "MemoryLow"},
                             {"memory.min", "MemoryMin"},
                             {"memory.swap.max", "MemorySwapMax"},
                             {"memory.limit_in_bytes", "MemoryLimit"},
                             {"pids.max", "TasksMax"},
                             {"cpu.weight", "CPUWeight"},
                             {"cpu.shares", "CPUShares"},
                             {"blkio.weight", "BlockIOWeight"}};

struct Rate {
  std::string_view key;
  std::string_view property;
};
constexpr Rate kRates[] = {{"rbps", "IOReadBandwidthMax"},
                           {"wbps", "IOWriteBandwidthMax"},
                           {"riops", "IOReadIOPSMax"},
                           {"wiops", "IOWriteIOPSMax"}};

// As the kernel's memparse() reads memory sizes: 1024 to the power of the suffix.
std::optional<uint64_t> number_or_infinity(std::string_view text) {
  if (text == "max" || text == "-1") return kInfinity;
  constexpr std::string_view kSuffixes = "KMGT";
  unsigned shift = 0;
  if (!text.empty()) {
    const auto upper = static_cast<char>(text.back() & ~0x20);
    const auto power = kSuffixes.find(upper);
    if (power != std::string_view::npos) {
      shift = static_cast<unsigned>(power + 1) * 10;
      text.remove_suffix(1);
    }
  }
  const auto number = parse_integer<uint64_t>(text);
  if (!number || *number > kInfinity >> shift) return std::nullopt;
  return *number << shift;
}

class Builder {
 public:
  explicit Builder(uint64_t cpu_period_us) : period_us_(cpu_period_us) {}

  void add(const plan::CgroupWrite& write) {
    for (const auto& limit : kLimits) {
      if (write.file == limit.file) add_number(limit.property, write.value);
    }
    if (write.file == "cpu.max") add_quota(write.value);
    if (write.file == "cpu.cfs_period_us") period_us_ = number_or(write.value, period_us_);
    if (write.file == "cpu.cfs_quota_us") v1_quota_ = write.value;
    if (write.file == "cpuset.cpus") add_mask("AllowedCPUs", write.value);
    if (write.file == "cpuset.mems") add_mask("AllowedMemoryNodes", write.value);
    if (write.file == "io.max") add_rates(write.value);
    if (write.file == "io.weight") add_weight(write.value);
    if (write.fallback_file == "io.weight") add_weight(write.fallback_value);
  }

  std::vector<dbus::Property> take() {
    if (!v1_quota_.empty()) set_quota(number_or_infinity(v1_quota_).value_or(kInfinity));
    return std::move(properties_);
  }

 private:
  static uint64_t number_or(std::string_view text, uint64_t otherwise) {
    return parse_integer<uint64_t>(text).value_or(otherwise);
  }

  void set(std::string_view name, dbus::Value value) {
    properties_.emplace_back(std::string(name), std::move(value));
  }

  void add_number(std::string_view name, std::string_view text) {
    const auto value = number_or_infinity(trim(text));
    if (value) set(name, dbus::uint64(*value));
  }

  void add_quota(std::string_view value) {
    const auto words = split(trim(value), ' ');
    if (words.size() > 1) {
      period_us_ = number_or(words[1], period_us_);
      set("CPUQuotaPeriodUSec", dbus::uint64(period_us_));
    }
    set_quota(number_or_infinity(words.front()).value_or(kInfinity));
  }

  void set_quota(uint64_t quota_us) {
    uint64_t per_second = kInfinity;
    if (quota_us != kInfinity && quota_us > 0 && period_us_ > 0 &&
        quota_us < kInfinity / kSecondUs) {
      per_second = quota_us * kSecondUs / period_us_;
      per_second = (per_second + kQuotaStepUs - 1) / kQuotaStepUs * kQuotaStepUs;
    }
    set("CPUQuotaPerSecUSec", dbus::uint64(per_second));
  }

  void add_mask(std::string_view name, std::string_view list) {
    const auto mask = mask_of_list(trim(list));
    if (mask) set(name, dbus::bytes(*mask));
  }

  // "8:0 rbps=1048576 wiops=max"
  void add_rates(std::string_view value) {
    const auto words = split(trim(value), ' ');
    for (const auto word : words) {
      const auto equals = word.find('=');
      if (equals == std::string_view::npos) continue;
      for (const auto& rate : kRates) {
        if (word.substr(0, equals) != rate.key) continue;
        const auto number = number_or_infinity(word.substr(equals + 1));
        if (number) add_for_device(rate.property, words.front(), *number);
      }
    }
  }

  // "100", "default 100" or "8:0 100"
  void add_weight(std::string_view value) {
    const auto words = split(trim(value), ' ');
    const auto weight = parse_integer<uint64_t>(words.back());
    if (!weight) return;
    if (words.size() == 1 || words.front() == "default") {
      set("IOWeight", dbus::uint64(*weight));
    } else {
      add_for_device("IODeviceWeight", words.front(), *weight);
    }
  }

  // systemd takes a path: udev keeps one for every device number.
  void add_for_device(std::string_view name, std::string_view device, uint64_t value) {
    set(name,
        dbus::array("(st)",
                    {dbus::structure({dbus::string("/dev/block/" + std::string(device)),
                                      dbus::uint64(value)})}));
  }

  uint64_t period_us_;
  std::string v1_quota_;
  std::vector<dbus::Property> properties_;
};

// Seconds as an integer or a fraction.
std::optional<uint64_t> microseconds(const dbus::Value& value) {
  constexpr double kMost = 1e12;
  if (const auto* number = std::get_if<uint64_t>(&value.data)) {
    if (value.signature == "b" || *number > static_cast<uint64_t>(kMost)) return std::nullopt;
    return *number * kSecondUs;
  }
  const auto* real = std::get_if<double>(&value.data);
  if (real == nullptr || !(*real >= 0 && *real <= kMost)) return std::nullopt;
  return static_cast<uint64_t>(std::llround(*real * double{kSecondUs}));
}

}  // namespace

namespace {

// The driver's name of a major number: "Character devices:\n  1 mem\n", then "Block devices:".
std::string_view driver_name(std::string_view proc_devices, char type, int64_t major) {
  bool blocks = false;
  for (const auto line : split(proc_devices, '\n')) {
    const auto text = trim(line);
    if (text.starts_with("Block")) blocks = true;
    const auto space = text.find(' ');
    if (blocks != (type == 'b') || space == std::string_view::npos) continue;
    if (parse_integer<int64_t>(text.substr(0, space)) == major) return trim(text.substr(space));
  }
  return {};
}

std::string access_text(uint8_t access) {
  std::string text;
  if ((access & 2U) != 0) text += 'r';
  if ((access & 4U) != 0) text += 'w';
  if ((access & 1U) != 0) text += 'm';
  return text;
}

// How systemd names what a rule is about; "" when it has no name for it.
std::string device_specifier(char type, const plan::DeviceRule& rule, std::string_view devices) {
  const std::string kind = type == 'b' ? "block" : "char";
  if (rule.major < 0) return rule.minor < 0 ? kind + "-*" : "";
  if (rule.minor >= 0)
    return "/dev/" + kind + "/" + std::to_string(rule.major) + ":" + std::to_string(rule.minor);
  const std::string_view name = driver_name(devices, type, rule.major);
  return name.empty() ? "" : kind + "-" + std::string(name);
}

}  // namespace

std::vector<dbus::Property> device_properties(const std::vector<plan::DeviceRule>& rules,
                                              std::string_view proc_devices) {
  std::vector<dbus::Value> allowed;
  for (const auto& rule : rules) {
    if (!rule.allow) {
      if (rule.type == 'a') allowed.clear();
      continue;
    }
    for (const char type : {'c', 'b'}) {
      if (rule.type != 'a' && rule.type != type) continue;
      const std::string specifier = device_specifier(type, rule, proc_devices);
      if (specifier.empty()) continue;
      allowed.push_back(
          dbus::structure({dbus::string(specifier), dbus::string(access_text(rule.access))}));
    }
  }
  return {{"DevicePolicy", dbus::string("strict")},
          {"DeviceAllow", dbus::array("(ss)", std::move(allowed))}};
}

bool fits_the_making(const plan::CgroupWrite& write) {
  constexpr uint64_t kMakingTasks = 16;
  return write.file != "pids.max" ||
         number_or_infinity(trim(write.value)).value_or(kInfinity) >= kMakingTasks;
}

std::optional<std::vector<uint8_t>> mask_of_list(std::string_view list) {
  std::vector<uint8_t> mask;
  for (const auto part : split(list, ',')) {
    const auto dash = part.find('-');
    const auto first = parse_integer<std::size_t>(trim(part.substr(0, dash)));
    const auto last = dash == std::string_view::npos
                          ? first
                          : parse_integer<std::size_t>(trim(part.substr(dash + 1)));
    if (!first || !last || *first > *last || *last > kMaxCpu) return std::nullopt;
    if (mask.size() <= *last / 8) mask.resize(*last / 8 + 1);
    for (std::size_t bit = *first; bit <= *last; ++bit)
      mask[bit / 8] = static_cast<uint8_t>(mask[bit / 8] | (1U << (bit % 8)));
  }
  return mask;
}

std::vector<dbus::Property> unit_properties(const std::vector<plan::CgroupWrite>& writes,
                                            uint64_t cpu_period_us) {
  Builder builder(cpu_period_us);
  for (const auto& write : writes) builder.add(write);
  return builder.take();
}

Result<std::vector<dbus::Property>> annotated_properties(
    const std::vector<std::pair<std::string, std::string>>& annotations) {
  constexpr std::string_view kSeconds = "Sec";
  constexpr std::string_view kMicroseconds = "USec";
  std::vector<dbus::Property> properties;
  for (const auto& [name, text] : annotations) {
    const std::string pointer = "/annotations/org.systemd.property." + name;
    Result<dbus::Value> value = dbus::parse_value(text);
    if (!value) return Error::spec(pointer, value.error().message());
    if (!name.ends_with(kSeconds) || name.ends_with(kMicroseconds)) {
      properties.emplace_back(name, std::move(*value));
      continue;
    }
    const auto converted = microseconds(*value);
    if (!converted) return Error::spec(pointer, "not a number of seconds: " + quote(text));
    properties.emplace_back(
        name.substr(0, name.size() - kSeconds.size()) + std::string(kMicroseconds),
        dbus::uint64(*converted));
  }
  return properties;
}

}  // namespace corten::cgroup
