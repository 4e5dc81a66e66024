// Finding and executing the user's program with the semantics of execvp(3).
#pragma once

#include <string>
#include <vector>

#include <corten/base/result.h>
#include <corten/plan/plan.h>

namespace corten::stage {

// argv, envp and the candidate paths, ready before memory or system calls are restricted.
class Program {
 public:
  // Adds HOME from the container's /etc/passwd when the environment has none.
  explicit Program(const plan::Process& process);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  Program(Program&&) = delete;
  Program& operator=(Program&&) = delete;
  ~Program() = default;

  // Finds an executable regular file. Errors: the sentences that engines look for.
  Result<> check() const;
  // Tries the candidates; a text file without "#!" runs under /bin/sh. Returns only on failure.
  Error execute();

 private:
  Error describe(int errno_value, const std::string& path) const;

  std::string name_;
  std::vector<std::string> env_;
  std::vector<std::string> candidates_;
  std::vector<char*> argv_;
  std::vector<char*> shell_argv_;
  std::vector<char*> envp_;
};

}  // namespace corten::stage
