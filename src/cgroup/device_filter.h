// The device controller: rule by rule on v1, as one eBPF program on v2.
#pragma once

#include <vector>

#include "directory.h"
#include <corten/base/result.h>
#include <corten/plan/plan.h>

namespace corten::cgroup {

Result<> write_device_rules(const Directory& directory, const std::vector<plan::DeviceRule>& rules);
// Replaces the program of an earlier call without a moment in between where everything is allowed.
Result<> apply_device_program(const Directory& directory,
                              const std::vector<plan::DeviceRule>& rules);

}  // namespace corten::cgroup
