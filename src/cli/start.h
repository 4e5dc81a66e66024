// What has to happen before the command line is understood, in main()'s order.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <corten/base/result.h>

namespace corten::cli {

// Opens /dev/null where one of the descriptors 0 to 2 is missing: otherwise a file that is opened
// later would become somebody's standard output.
void ensure_stdio();

// Opens the log that --log, --log-format, --log-level and --debug ask for and makes it the
// process's sink. arguments: what stands before the command. It is searched, not parsed: the log
// must be open before the first thing can go wrong, a wrong option included.
Result<> open_log(std::span<char* const> arguments);

// The state root when --root is not given: the same answer for every caller of a user, since
// engines call `create` and `start` with different environments.
std::string default_root();

// Counts the descriptors from 3 on that the caller left open, without a gap. Called before anything
// is opened: otherwise a descriptor of this process could pass for one of the caller's.
unsigned count_inherited_descriptors();

// Makes the descriptors of --preserve-fds (`preserved` of them) and of a service manager
// (LISTEN_FDS, when LISTEN_PID is this process) survive execve; everything else that the caller
// left open ends with it. Errors: InvalidArgument when one of them was not among `inherited`.
Result<> claim_descriptors(unsigned inherited, unsigned preserved);

}  // namespace corten::cli
