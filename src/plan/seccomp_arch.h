// Architectures and system call numbers of a profile, as libseccomp knows them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "seccomp_program.h"
#include <corten/base/result.h>

namespace corten::plan {

inline constexpr uint32_t kX32Bit = 0x40000000;  // __X32_SYSCALL_BIT

struct SeccompArch {
  uint32_t token = 0;       // SCMP_ARCH_*
  uint32_t audit_arch = 0;  // seccomp_data.arch: the token, but for x32
  ArgumentWidth width = ArgumentWidth::Bits64;
  bool x32 = false;
};

// The native architecture first, then the listed ones in order, each once. Left out are those that
// no program on this kernel can use: unknown to libseccomp, or of the other byte order. Errors:
// InvalidSpec for a name that the runtime-spec does not have.
Result<std::vector<SeccompArch>> build_seccomp_arches(const std::vector<std::string>& names);

// socketcall(2) or ipc(2): one number for many calls, told apart by the first argument.
struct MultiplexedCall {
  uint32_t number = 0;
  uint32_t selector = 0;
};

struct SeccompNumbers {
  std::optional<uint32_t> direct;
  std::optional<MultiplexedCall> multiplexed;
};

// How the call is made on `arch`; neither way when it does not exist there.
SeccompNumbers seccomp_numbers(const SeccompArch& arch, const std::string& name);

}  // namespace corten::plan
