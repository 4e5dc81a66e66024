// bpf(2), as far as the device controller of cgroup v2 needs it. Thin wrappers.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <vector>

#include <corten/base/result.h>
#include <corten/sys/fd.h>

namespace corten::sys {

// Loads a BPF_PROG_TYPE_CGROUP_DEVICE program.
Result<UniqueFd> bpf_load_device_program(const std::vector<bpf_insn>& program);
// Ids of the device programs attached to the cgroup itself.
Result<std::vector<uint32_t>> bpf_query_device_programs(int cgroup_fd);
Result<UniqueFd> bpf_program_by_id(uint32_t id);
// replace_fd < 0: attaches beside what is there (BPF_F_ALLOW_MULTI); otherwise takes its place
// atomically.
Result<> bpf_attach_device_program(int cgroup_fd, int program_fd, int replace_fd);
Result<> bpf_detach_device_program(int cgroup_fd, int program_fd);

}  // namespace corten::sys
