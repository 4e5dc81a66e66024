// What systemd has to know about a container's limits: it writes a unit's control files again when
// something else changes in its tree, and would undo what it was not told.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "dbus_value.h"
#include <corten/base/result.h>
#include <corten/plan/plan.h>

namespace corten::cgroup {

// The unit properties that say the same as the writes; what systemd has no property for is left
// out. cpu_period_us: the period that a quota without one is for.
// Pure. Table: docs/cgroups.md. Source: systemd.resource-control(5), org.freedesktop.systemd1(5).
std::vector<dbus::Property> unit_properties(const std::vector<plan::CgroupWrite>& writes,
                                            uint64_t cpu_period_us = 100000);

// The device list for cgroup v1, where systemd writes it again whenever it pleases and would allow
// everything if it knew none. proc_devices: the text of /proc/devices, for rules with any minor
// number. systemd has no rules that deny: what such a rule takes from an allowed set is lost when
// systemd writes the list.
// Pure. Source: systemd.resource-control(5), "DeviceAllow".
std::vector<dbus::Property> device_properties(const std::vector<plan::DeviceRule>& rules,
                                              std::string_view proc_devices);

// Whether a limit leaves room for the processes that make the container: a small limit of tasks has
// to wait until they are done.
bool fits_the_making(const plan::CgroupWrite& write);

// "0-2,7" -> the bit mask that AllowedCPUs takes: bytes 0x87. nullopt: not a list of numbers.
std::optional<std::vector<uint8_t>> mask_of_list(std::string_view list);

// The annotations org.systemd.property.NAME, whose values are GVariant texts. A name that ends in
// "Sec" is a number of seconds for the property in "USec".
// Pure. Errors: InvalidSpec with the annotation's pointer.
Result<std::vector<dbus::Property>> annotated_properties(
    const std::vector<std::pair<std::string, std::string>>& annotations);

}  // namespace corten::cgroup
