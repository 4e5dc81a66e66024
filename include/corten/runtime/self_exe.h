// Keeps the runtime's binary out of a container's reach (CVE-2019-5736): a process of the container
// that gets hold of /proc/PID/exe of the runtime must not be able to write to the file behind it.
#pragma once

#include <corten/base/result.h>

namespace corten::runtime {

// Executes this program again from a read-only, detached mount of its own file, or, where mounts
// cannot be made, from a sealed copy in memory. Returns at once when that is the case already, so
// it is called first thing by the commands that put a process into a container. Costs one execve.
// argv: of main(). Does not return on success of the execution.
// Errors: System when the program could be overwritten and no protection is possible.
Result<> protect_executable(char** argv);

}  // namespace corten::runtime
