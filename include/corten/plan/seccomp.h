// linux.seccomp -> classic BPF. The program is generated here: libseccomp supplies the system call
// numbers, and a differential test holds every program against libseccomp's.
// (libseccomp's own generator costs 10 to 25 ms for an engine's default profile on every start.)
#pragma once

#include <corten/base/result.h>
#include <corten/plan/plan.h>
#include <corten/spec/config.h>

namespace corten::plan {

// Compiles the profile for the native architecture and those listed; programs of others are killed.
// Rules mean what they mean to libseccomp, overlapping ones included. Unknown system call names are
// ignored (profiles are supersets). A call that is newer than every call the profile speaks of gets
// ENOSYS instead of the default action when that is SCMP_ACT_ERRNO: C libraries then fall back.
// Pure. Errors: InvalidSpec with the pointer; Unsupported when the program is too long for the
// kernel, or SCMP_ACT_NOTIFY covers what handing over the listener needs. Spec: config-linux.md
// "Seccomp".
Result<Seccomp> compile_seccomp(const spec::Seccomp& seccomp);

}  // namespace corten::plan
