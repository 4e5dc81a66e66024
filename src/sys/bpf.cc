#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "call.h"
#include <corten/sys/bpf.h>

namespace corten::sys {

namespace {

long bpf(int command, bpf_attr& attr) { return syscall(SYS_bpf, command, &attr, sizeof attr); }
uint64_t pointer(const void* address) { return reinterpret_cast<uint64_t>(address); }

}  // namespace

Result<UniqueFd> bpf_load_device_program(const std::vector<bpf_insn>& program) {
  bpf_attr attr{};
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = pointer(program.data());
  attr.insn_cnt = static_cast<uint32_t>(program.size());
  attr.license = pointer("Apache");
  const long fd = bpf(BPF_PROG_LOAD, attr);
  if (fd < 0) return failed("bpf(PROG_LOAD, {} instructions)", program.size());
  return UniqueFd(static_cast<int>(fd));
}

Result<std::vector<uint32_t>> bpf_query_device_programs(int cgroup_fd) {
  std::array<uint32_t, 64> ids{};
  bpf_attr attr{};
  attr.query.target_fd = static_cast<uint32_t>(cgroup_fd);
  attr.query.attach_type = BPF_CGROUP_DEVICE;
  attr.query.prog_ids = pointer(ids.data());
  attr.query.prog_cnt = ids.size();
  if (bpf(BPF_PROG_QUERY, attr) < 0) return failed("bpf(PROG_QUERY, {})", cgroup_fd);
  return std::vector<uint32_t>(ids.begin(), ids.begin() + attr.query.prog_cnt);
}

Result<UniqueFd> bpf_program_by_id(uint32_t id) {
  bpf_attr attr{};
  attr.prog_id = id;
  const long fd = bpf(BPF_PROG_GET_FD_BY_ID, attr);
  if (fd < 0) return failed("bpf(PROG_GET_FD_BY_ID, {})", id);
  return UniqueFd(static_cast<int>(fd));
}

Result<> bpf_attach_device_program(int cgroup_fd, int program_fd, int replace_fd) {
  bpf_attr attr{};
  attr.target_fd = static_cast<uint32_t>(cgroup_fd);
  attr.attach_bpf_fd = static_cast<uint32_t>(program_fd);
  attr.attach_type = BPF_CGROUP_DEVICE;
  attr.attach_flags = BPF_F_ALLOW_MULTI;
  if (replace_fd >= 0) {
    attr.attach_flags |= BPF_F_REPLACE;
    attr.replace_bpf_fd = static_cast<uint32_t>(replace_fd);
  }
  return check(bpf(BPF_PROG_ATTACH, attr),
               "bpf(PROG_ATTACH, {}, {}, replace {})",
               cgroup_fd,
               program_fd,
               replace_fd);
}

Result<> bpf_detach_device_program(int cgroup_fd, int program_fd) {
  bpf_attr attr{};
  attr.target_fd = static_cast<uint32_t>(cgroup_fd);
  attr.attach_bpf_fd = static_cast<uint32_t>(program_fd);
  attr.attach_type = BPF_CGROUP_DEVICE;
  return check(bpf(BPF_PROG_DETACH, attr), "bpf(PROG_DETACH, {}, {})", cgroup_fd, program_fd);
}

}  // namespace corten::sys
