// libseccomp resolves names to numbers; its generator is not used. What it does not tell through
// its interface is how a multiplexed call is reached directly: that is the table below.
#include "seccomp_arch.h"

#include <linux/audit.h>

#include <algorithm>
#include <array>
#include <string_view>

#include <seccomp.h>

#include "builders.h"
#include <corten/base/strings.h>
#include <corten/spec/names.h>

namespace corten::plan {
namespace {

constexpr uint32_t kMipsN32 = 0x20000000;  // __AUDIT_ARCH_CONVENTION_MIPS64_N32
constexpr uint32_t kMipsO32Base = 4000;    // the first number of the O32 ABI
constexpr uint32_t kMachineMask = 0xffff;  // AUDIT_ARCH_* without its flags: EM_*
constexpr uint32_t kSocketcall = 102;
constexpr uint32_t kIpc = 117;

// "SCMP_ARCH_X86_64" -> "x86_64", the form that libseccomp resolves. 0 = unknown to it.
uint32_t resolve_arch(std::string_view name) {
  constexpr std::string_view kPrefix = "SCMP_ARCH_";
  std::string lower(name.substr(kPrefix.size()));
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return seccomp_arch_resolve_name(lower.c_str());
}

SeccompArch make_arch(uint32_t token) {
  SeccompArch arch;
  arch.token = token;
  arch.x32 = token == SCMP_ARCH_X32;
  arch.audit_arch = arch.x32 ? uint32_t{SCMP_ARCH_X86_64} : token;
  // x32 and n32 programs pass 64-bit registers; libseccomp compares their low halves all the same.
  const bool wide = (token & uint32_t{__AUDIT_ARCH_64BIT}) != 0 && (token & kMipsN32) == 0;
  arch.width = wide ? ArgumentWidth::Bits64 : ArgumentWidth::Bits32;
  return arch;
}

bool same_byte_order(uint32_t a, uint32_t b) { return ((a ^ b) & uint32_t{__AUDIT_ARCH_LE}) == 0; }

// Direct numbers of the calls that some architectures multiplex; 0 = only through the multiplexer.
// An architecture's numbers never change.
struct DirectNumbers {
  int pseudo;  // libseccomp's number below zero: -(100 + selector) or -(200 + selector)
  uint16_t x86, s390, s390x, mips, ppc, ppc64, m68k, sh;
};

constexpr DirectNumbers kDirectNumbers[] = {
    {-101, 359, 359, 359, 4183, 326, 326, 356, 340},  // socket
    {-102, 361, 361, 361, 4169, 327, 327, 358, 341},  // bind
    {-103, 362, 362, 362, 4170, 328, 328, 359, 342},  // connect
    {-104, 363, 363, 363, 4174, 329, 329, 360, 343},  // listen
    {-105, 0, 0, 0, 4168, 330, 330, 0, 344},          // accept
    {-106, 367, 367, 367, 4172, 331, 331, 364, 345},  // getsockname
    {-107, 368, 368, 368, 4171, 332, 332, 365, 346},  // getpeername
    {-108, 360, 360, 360, 4184, 333, 333, 357, 347},  // socketpair
    {-109, 0, 0, 0, 4178, 334, 334, 0, 348},          // send
    {-110, 0, 0, 0, 4175, 336, 336, 0, 350},          // recv
    {-111, 369, 369, 369, 4180, 335, 335, 366, 349},  // sendto
    {-112, 371, 371, 371, 4176, 337, 337, 368, 351},  // recvfrom
    {-113, 373, 373, 373, 4182, 338, 338, 370, 352},  // shutdown
    {-114, 366, 366, 366, 4181, 339, 339, 363, 353},  // setsockopt
    {-115, 365, 365, 365, 4173, 340, 340, 362, 354},  // getsockopt
    {-116, 370, 370, 370, 4179, 341, 341, 367, 355},  // sendmsg
    {-117, 372, 372, 372, 4177, 342, 342, 369, 356},  // recvmsg
    {-118, 364, 364, 364, 4334, 344, 344, 361, 358},  // accept4
    {-119, 337, 357, 357, 4335, 343, 343, 371, 357},  // recvmmsg
    {-120, 345, 358, 358, 4343, 349, 349, 372, 363},  // sendmmsg
    {-201, 0, 0, 0, 0, 0, 0, 0, 0},                   // semop
    {-202, 393, 393, 393, 4393, 393, 393, 393, 393},  // semget
    {-203, 394, 394, 394, 4394, 394, 394, 394, 394},  // semctl
    {-204, 0, 0, 392, 0, 0, 392, 0, 0},               // semtimedop
    {-211, 400, 400, 400, 4400, 400, 400, 400, 400},  // msgsnd
    {-212, 401, 401, 401, 4401, 401, 401, 401, 401},  // msgrcv
    {-213, 399, 399, 399, 4399, 399, 399, 399, 399},  // msgget
    {-214, 402, 402, 402, 4402, 402, 402, 402, 402},  // msgctl
    {-221, 397, 397, 397, 4397, 397, 397, 397, 397},  // shmat
    {-222, 398, 398, 398, 4398, 398, 398, 398, 398},  // shmdt
    {-223, 395, 395, 395, 4395, 395, 395, 395, 395},  // shmget
    {-224, 396, 396, 396, 4396, 396, 396, 396, 396},  // shmctl
};

// The column of an architecture that multiplexes, nullptr for the others.
using Column = uint16_t DirectNumbers::*;
Column column_of(uint32_t audit_arch) {
  const bool wide = (audit_arch & uint32_t{__AUDIT_ARCH_64BIT}) != 0;
  switch (audit_arch & kMachineMask) {
    case EM_386:
      return &DirectNumbers::x86;
    case EM_S390:
      return wide ? &DirectNumbers::s390x : &DirectNumbers::s390;
    case EM_MIPS:
      return wide ? nullptr : &DirectNumbers::mips;
    case EM_PPC:
      return &DirectNumbers::ppc;
    case EM_PPC64:
      return &DirectNumbers::ppc64;
    case EM_68K:
      return &DirectNumbers::m68k;
    case EM_SH:
      return &DirectNumbers::sh;
    default:
      return nullptr;
  }
}

SeccompNumbers multiplexed_numbers(const SeccompArch& arch, int pseudo) {
  const Column column = column_of(arch.audit_arch);
  if (column == nullptr) return {};
  const auto row = std::find_if(std::begin(kDirectNumbers),
                                std::end(kDirectNumbers),
                                [&](const auto& numbers) { return numbers.pseudo == pseudo; });
  if (row == std::end(kDirectNumbers)) return {};
  const bool socket = pseudo > -200;
  const uint32_t base = column == &DirectNumbers::mips ? kMipsO32Base : 0;
  SeccompNumbers numbers;
  numbers.multiplexed = {.number = base + (socket ? kSocketcall : kIpc),
                         .selector = static_cast<uint32_t>(-pseudo - (socket ? 100 : 200))};
  if (row->*column != 0) numbers.direct = row->*column;
  return numbers;
}

}  // namespace

Result<std::vector<SeccompArch>> build_seccomp_arches(const std::vector<std::string>& names) {
  const uint32_t native = seccomp_arch_native();
  std::vector<SeccompArch> arches = {make_arch(native)};
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!spec::kSeccompArches.find(names[i])) {
      return Error::spec(pointer_at("/linux/seccomp/architectures", i),
                         "unknown architecture " + quote(names[i]));
    }
    const uint32_t token = resolve_arch(names[i]);
    if (token == 0 || !same_byte_order(token, native)) continue;
    const auto known = [&](const SeccompArch& arch) { return arch.token == token; };
    if (std::none_of(arches.begin(), arches.end(), known)) arches.push_back(make_arch(token));
  }
  return arches;
}

SeccompNumbers seccomp_numbers(const SeccompArch& arch, const std::string& name) {
  const int number = seccomp_syscall_resolve_name_arch(arch.token, name.c_str());
  if (number < 0) return multiplexed_numbers(arch, number);
  return {.direct = static_cast<uint32_t>(number), .multiplexed = std::nullopt};
}

}  // namespace corten::plan
