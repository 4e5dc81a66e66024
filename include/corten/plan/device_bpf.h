// Device rules -> the eBPF program of cgroup v2 (BPF_PROG_TYPE_CGROUP_DEVICE). Pure: the cgroup
// layer loads and attaches it.
#pragma once

#include <linux/bpf.h>

#include <vector>

#include <corten/plan/plan.h>

namespace corten::plan {

// The program returns 1 (allowed) or 0. For each kind of access asked for (read, write, mknod) the
// last rule that speaks of the device and of this access decides; nothing is allowed that no rule
// allows. Never empty. Rules hold numbers in the kernel's range: major < 4096, minor < 1048576, or
// -1 for any.
std::vector<bpf_insn> build_device_program(const std::vector<DeviceRule>& rules);

// True when the rules allow everything, so that no program is needed at all (privileged
// containers).
bool allows_every_device(const std::vector<DeviceRule>& rules);

}  // namespace corten::plan
