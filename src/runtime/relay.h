// The attached half of run and exec: passes signals, terminal bytes and window sizes on until the
// program has ended.
#pragma once

#include <sys/types.h>

#include <corten/base/result.h>
#include <corten/sys/fd.h>
#include <corten/sys/process.h>

namespace corten::runtime {

// Blocks every signal that is passed on and collects it in a descriptor. Made before the program
// exists, so that none is lost; children reset their mask before execve.
class SignalSource {
 public:
  static Result<SignalSource> make();
  int fd() const { return fd_.get(); }

 private:
  explicit SignalSource(sys::UniqueFd fd) : fd_(std::move(fd)) {}
  sys::UniqueFd fd_;
};

// master: the container's terminal, invalid = none. The caller's terminal is raw meanwhile.
// Returns how the child ended, after its last output was passed on.
Result<sys::Exit> relay_until_exit(pid_t pid,
                                   int pidfd,
                                   const SignalSource& signals,
                                   sys::UniqueFd master);

}  // namespace corten::runtime
