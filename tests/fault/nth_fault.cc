// nth_fault: runs a command and breaks its Nth system call, counted over all of its processes.
//
//   nth_fault --program FILE [--at N (--kill | --errno E)] [--report FILE] -- COMMAND ARGUMENT...
//
// Counted are the calls of processes that execute FILE, from its first execve on; a process that
// executes something else (a hook, the container's program) is let go. At call N the process is
// killed before the call is made, or the call is not made and returns -E. Exits when the command
// does, with its status (128+n for a signal). FILE gets one line of JSON: the number of calls seen,
// and of call N its number and whether the command itself made it or one of its children.
// See ptrace(2).
#include <elf.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace {

[[noreturn]] void die(const std::string& what) {
  std::perror(("nth_fault: " + what).c_str());
  std::exit(125);
}

struct Options {
  std::string program;
  std::string report;
  long at = 0;
  bool kill = false;
  int error = 0;
  char** command = nullptr;
};

Options parse(char** argv) {
  Options options;
  for (++argv; *argv != nullptr; ++argv) {
    const std::string word = *argv;
    if (word == "--") {
      options.command = argv + 1;
      break;
    }
    if (word == "--kill") {
      options.kill = true;
      continue;
    }
    const char* value = *++argv;
    if (value == nullptr) break;
    if (word == "--program") options.program = value;
    if (word == "--report") options.report = value;
    if (word == "--at") options.at = std::atol(value);
    if (word == "--errno") options.error = std::atoi(value);
  }
  if (options.command == nullptr || *options.command == nullptr || options.program.empty()) {
    std::fputs(
        "usage: nth_fault --program FILE [--at N (--kill | --errno E)] [--report FILE] -- "
        "COMMAND...\n",
        stderr);
    std::exit(125);
  }
  return options;
}

struct Tracee {
  bool counted = false;  // executes the program
  bool failing = false;  // its current call returns an error that was made up
};

// Calls without an error that anybody could meet: they do not return, they always succeed, they
// free the descriptor even when they fail, or they are the C library's own start.
bool can_fail(long number) {
  constexpr long kNever[] = {SYS_exit,
                             SYS_exit_group,
                             SYS_rt_sigreturn,
                             SYS_close,
                             SYS_brk,
                             SYS_arch_prctl,
                             SYS_mprotect,
                             SYS_getpid,
                             SYS_geteuid,
                             SYS_getegid,
                             SYS_umask};
  return std::find(std::begin(kNever), std::end(kNever), number) == std::end(kNever);
}

// Where a path is looked up or removed, ENOENT is an answer and no failure.
bool looks_up(long number) {
  constexpr long kLookups[] = {
      SYS_openat, SYS_openat2, SYS_newfstatat, SYS_open_tree, SYS_statfs, SYS_unlinkat};
  return std::find(std::begin(kLookups), std::end(kLookups), number) != std::end(kLookups);
}

class Tracer {
 public:
  explicit Tracer(const Options& options) : options_(options) {
    if (::stat(options.program.c_str(), &program_) != 0) die(options.program);
  }

  int run() {
    start();
    for (;;) {
      int status = 0;
      const pid_t pid = ::waitpid(-1, &status, __WALL);
      if (pid < 0) die("waitpid");
      if (WIFEXITED(status) || WIFSIGNALED(status)) {
        tracees_.erase(pid);
        if (pid != main_) continue;
        report();
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      }
      stopped(pid, status);
    }
  }

 private:
  // The child waits at a pipe until it is traced.
  void start() {
    int gate[2];
    if (::pipe2(gate, O_CLOEXEC) != 0) die("pipe2");
    main_ = ::fork();
    if (main_ == 0) {
      char byte = 0;
      if (::read(gate[0], &byte, 1) != 1) ::_exit(125);
      ::execv(options_.command[0], options_.command);
      die(options_.command[0]);
    }
    constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                              PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
    if (::ptrace(PTRACE_SEIZE, main_, nullptr, kOptions) != 0) die("PTRACE_SEIZE");
    if (::ptrace(PTRACE_INTERRUPT, main_, nullptr, nullptr) != 0) die("PTRACE_INTERRUPT");
    tracees_[main_];
    if (::write(gate[1], "x", 1) != 1) die("write");
    ::close(gate[0]);
    ::close(gate[1]);
  }

  bool executes_program(pid_t pid) const {
    struct stat exe {};
    const std::string path = "/proc/" + std::to_string(pid) + "/exe";
    return ::stat(path.c_str(), &exe) == 0 && exe.st_dev == program_.st_dev &&
           exe.st_ino == program_.st_ino;
  }

  void stopped(pid_t pid, int status) {
    const bool known = tracees_.contains(pid);
    Tracee& tracee = tracees_[pid];
    // A child may stop before its parent tells of it; it executes what the parent does.
    if (!known) tracee.counted = executes_program(pid);
    const int signal = WSTOPSIG(status);
    const int event = status >> 16;
    long deliver = 0;
    if (signal == (SIGTRAP | 0x80)) {
      if (system_call(pid, tracee)) return;
    } else if (event == PTRACE_EVENT_EXEC) {
      tracee.counted = executes_program(pid);
      if (!tracee.counted) {
        tracees_.erase(pid);
        (void)::ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
        return;
      }
    } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
      // A real group stop: leave it stopped, and stay informed.
      (void)::ptrace(PTRACE_LISTEN, pid, nullptr, nullptr);
      return;
    } else if (event == 0) {
      deliver = signal;
    }
    (void)::ptrace(PTRACE_SYSCALL, pid, nullptr, deliver);
  }

  // True when the process was killed.
  bool system_call(pid_t pid, Tracee& tracee) {
    __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0) return false;
    if (info.op == PTRACE_SYSCALL_INFO_EXIT && tracee.failing) {
      tracee.failing = false;
      set_result(pid, options_.error == ENOENT && looks_up(hit_) ? -EACCES : -options_.error);
    }
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY || !tracee.counted) return false;
    if (++count_ != options_.at) return false;
    hit_ = static_cast<long>(info.entry.nr);
    hit_main_ = pid == main_;
    if (options_.kill) {
      ::kill(pid, SIGKILL);
      return true;
    }
    if (options_.error != 0 && can_fail(hit_)) {
      skip_call(pid);
      tracee.failing = true;
    }
    return false;
  }

  static user_regs_struct registers(pid_t pid) {
    user_regs_struct values{};
    iovec io{&values, sizeof values};
    if (::ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &io) != 0) die("PTRACE_GETREGSET");
    return values;
  }

  static void set_registers(pid_t pid, user_regs_struct values) {
    iovec io{&values, sizeof values};
    if (::ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &io) != 0) die("PTRACE_SETREGSET");
  }

#ifndef __x86_64__
#error "the registers of this machine are not known here"
#endif
  static void skip_call(pid_t pid) {
    user_regs_struct values = registers(pid);
    values.orig_rax = static_cast<decltype(values.orig_rax)>(-1);
    set_registers(pid, values);
  }

  static void set_result(pid_t pid, long result) {
    user_regs_struct values = registers(pid);
    values.rax = static_cast<decltype(values.rax)>(result);
    set_registers(pid, values);
  }

  void report() const {
    if (options_.report.empty()) return;
    std::FILE* file = std::fopen(options_.report.c_str(), "w");
    if (file == nullptr) die(options_.report);
    std::fprintf(file,
                 "{\"count\":%ld,\"call\":%ld,\"main\":%s}\n",
                 count_,
                 hit_,
                 hit_main_ ? "true" : "false");
    std::fclose(file);
  }

  const Options& options_;
  struct stat program_ {};
  std::map<pid_t, Tracee> tracees_;
  pid_t main_ = 0;
  long count_ = 0;
  long hit_ = -1;
  bool hit_main_ = false;
};

}  // namespace

int main(int, char** argv) {
  const Options options = parse(argv);
  return Tracer(options).run();
}
