// linux.devices and the default devices -> Device list; linux.resources.devices -> DeviceRule list.
// Spec: config-linux.md "Devices", "Default Devices", "Allowed Device list".
#include <algorithm>

#include "builders.h"
#include <corten/base/strings.h>
#include <corten/plan/build.h>

namespace corten::plan {
namespace {

constexpr uint32_t kDefaultMode = 0666;
constexpr uint8_t kMknod = 1;
constexpr uint8_t kAllAccess = 7;

struct DefaultDevice {
  const char* path;
  uint32_t major;
  uint32_t minor;
};

constexpr DefaultDevice kDefaultDevices[] = {
    {"/dev/null", 1, 3},
    {"/dev/zero", 1, 5},
    {"/dev/full", 1, 7},
    {"/dev/random", 1, 8},
    {"/dev/urandom", 1, 9},
    {"/dev/tty", 5, 0},
};

// Terminals of the container: usable without being configured, but not made as nodes.
constexpr DeviceRule kTerminalRules[] = {
    {.allow = true, .type = 'c', .major = 5, .minor = 1, .access = kAllAccess},     // console
    {.allow = true, .type = 'c', .major = 5, .minor = 2, .access = kAllAccess},     // ptmx
    {.allow = true, .type = 'c', .major = 136, .minor = -1, .access = kAllAccess},  // pts
};

// /dev/ptmx is the link to the container's own devpts, and with a terminal the pty is bound over
// /dev/console: engines list both when they pass every device of the host.
bool made_otherwise(std::string_view path, bool terminal) {
  return path == "/dev/ptmx" || (terminal && path == "/dev/console");
}

Result<DeviceType> device_type(const spec::Device& configured, const std::string& pointer) {
  if (configured.type == "c" || configured.type == "u") return DeviceType::Char;
  if (configured.type == "b") return DeviceType::Block;
  if (configured.type == "p") return DeviceType::Fifo;
  return Error::spec(pointer + "/type",
                     "unknown device type " + quote(configured.type) + "; known are c, b, u, p");
}

Result<Device> build_device(const spec::Device& configured, std::size_t index) {
  Device device;
  device.pointer = pointer_at("/linux/devices", index);
  device.type = TRY(device_type(configured, device.pointer));
  device.path = clean_path(configured.path);
  if (device.type != DeviceType::Fifo) {
    // The kernel's dev_t: 12 bits of major, 20 bits of minor (makedev(3) would cut silently).
    const auto major = configured.major.value_or(-1);
    const auto minor = configured.minor.value_or(-1);
    if (major < 0 || major > 0xfff) {
      return Error::spec(device.pointer + "/major", "a device needs a major number of 0 to 4095");
    }
    if (minor < 0 || minor > 0xfffff) {
      return Error::spec(device.pointer + "/minor",
                         "a device needs a minor number of 0 to 1048575");
    }
    device.major = static_cast<uint32_t>(major);
    device.minor = static_cast<uint32_t>(minor);
  }
  device.mode = configured.file_mode.value_or(kDefaultMode) & 07777U;
  device.uid = configured.uid.value_or(0);
  device.gid = configured.gid.value_or(0);
  return device;
}

const Device* find_path(const std::vector<Device>& devices, std::string_view path) {
  const auto found = std::find_if(
      devices.begin(), devices.end(), [&](const Device& device) { return device.path == path; });
  return found == devices.end() ? nullptr : &*found;
}

bool same_node(const Device& a, const Device& b) {
  return a.type == b.type && a.major == b.major && a.minor == b.minor;
}

// A rule that speaks of all devices of its types, not of particular ones.
bool is_wildcard(const spec::DeviceRule& rule) {
  return rule.type == "a" || (rule.major.value_or(-1) < 0 && rule.minor.value_or(-1) < 0);
}

uint8_t access_bits(std::string_view access) {
  uint8_t bits = 0;
  for (const char c : access) {
    if (c == 'm') bits |= 1U;
    if (c == 'r') bits |= 2U;
    if (c == 'w') bits |= 4U;
  }
  return access.empty() ? kAllAccess : bits;
}

void add_rule(std::vector<DeviceRule>& rules, const DeviceRule& rule) {
  if (rules.empty() || !(rules.back() == rule)) rules.push_back(rule);
}

// 'a' stays only where it means the same to every kernel interface: all devices, all access. The v1
// files ignore the numbers and the access after an "a".
void add_configured(std::vector<DeviceRule>& rules, const spec::DeviceRule& configured) {
  DeviceRule rule{.allow = configured.allow,
                  .type = configured.type.empty() ? 'a' : configured.type.front(),
                  .major = std::max<int64_t>(configured.major.value_or(-1), -1),
                  .minor = std::max<int64_t>(configured.minor.value_or(-1), -1),
                  .access = access_bits(configured.access)};
  const bool everything = rule.major < 0 && rule.minor < 0 && rule.access == kAllAccess;
  if (rule.type != 'a' || everything) return add_rule(rules, rule);
  rule.type = 'c';
  add_rule(rules, rule);
  rule.type = 'b';
  add_rule(rules, rule);
}

bool mentions(const spec::DeviceRule& rule, const Device& device) {
  const auto type = rule.type.empty() ? 'a' : rule.type.front();
  const auto wanted = device.type == DeviceType::Block ? 'b' : 'c';
  const auto covers = [](const std::optional<int64_t>& number, uint32_t value) {
    return number.value_or(-1) < 0 || *number == value;
  };
  return (type == 'a' || type == wanted) && covers(rule.major, device.major) &&
         covers(rule.minor, device.minor);
}

// The default devices, and the configured ones that no specific rule speaks of: they must be
// available (config-linux.md "Devices"). Where there is such a rule it alone decides, else a device
// that was passed with read access only would become writable.
void add_nodes(std::vector<DeviceRule>& rules,
               const std::vector<Device>& devices,
               const std::vector<spec::DeviceRule>& specific) {
  for (const auto& device : devices) {
    if (device.type == DeviceType::Fifo) continue;
    const bool configured = !device.pointer.empty();
    const bool decided = std::any_of(
        specific.begin(), specific.end(), [&](const auto& rule) { return mentions(rule, device); });
    if (configured && decided) continue;
    add_rule(rules,
             {.allow = true,
              .type = device.type == DeviceType::Block ? 'b' : 'c',
              .major = device.major,
              .minor = device.minor,
              .access = kAllAccess});
  }
}

}  // namespace

Result<std::vector<Device>> build_devices(const std::vector<spec::Device>& configured,
                                          bool terminal) {
  std::vector<Device> devices;
  for (std::size_t i = 0; i < configured.size(); ++i) {
    auto device = TRY(build_device(configured[i], i));
    if (made_otherwise(device.path, terminal)) continue;
    if (const auto* earlier = find_path(devices, device.path)) {
      if (same_node(*earlier, device)) continue;
      return Error::spec(device.pointer + "/path",
                         quote(device.path) + " is already another device, by " + earlier->pointer);
    }
    devices.push_back(std::move(device));
  }
  std::vector<Device> all;
  for (const auto& known : kDefaultDevices) {
    if (find_path(devices, known.path) != nullptr) continue;
    Device device;
    device.path = known.path;
    device.major = known.major;
    device.minor = known.minor;
    all.push_back(std::move(device));
  }
  all.insert(
      all.end(), std::make_move_iterator(devices.begin()), std::make_move_iterator(devices.end()));
  return all;
}

std::vector<DeviceRule> build_device_rules(const std::vector<spec::DeviceRule>& rules,
                                           const std::vector<Device>& devices) {
  const auto first_specific =
      std::find_if(rules.begin(), rules.end(), [](const auto& rule) { return !is_wildcard(rule); });
  const std::vector<spec::DeviceRule> rest(first_specific, rules.end());

  // A container may use nothing that is not named, whether the config says so or not.
  std::vector<DeviceRule> ordered{
      {.allow = false, .type = 'a', .major = -1, .minor = -1, .access = kAllAccess}};
  for (auto rule = rules.begin(); rule != first_specific; ++rule) add_configured(ordered, *rule);
  add_rule(ordered, {.allow = true, .type = 'c', .major = -1, .minor = -1, .access = kMknod});
  add_rule(ordered, {.allow = true, .type = 'b', .major = -1, .minor = -1, .access = kMknod});
  add_nodes(ordered, devices, rest);
  for (const auto& rule : kTerminalRules) add_rule(ordered, rule);
  for (const auto& rule : rest) add_configured(ordered, rule);
  return ordered;
}

}  // namespace corten::plan
