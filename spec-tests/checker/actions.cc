#include "actions.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "posture.h"

namespace checker {
namespace {

using Arguments = std::vector<std::string>;

const char* argument(const Arguments& action, size_t index) {
  return index < action.size() ? action[index].c_str() : "";
}

long number_argument(const Arguments& action, size_t index) {
  return std::strtol(argument(action, index), nullptr, 0);
}

void finish(JsonOut& out, bool ok) {
  const int saved = errno;
  out.key("ok").boolean(ok);
  if (!ok) out.key("errno").number(saved);
}

void do_read(JsonOut& out, const Arguments& action) {
  std::string content;
  const bool ok = read_file(argument(action, 1), content);
  finish(out, ok);
  if (ok) out.key("content").string(content);
}

void do_write(JsonOut& out, const Arguments& action, int flags) {
  const int fd = open(argument(action, 1), O_WRONLY | O_CLOEXEC | flags, 0644);
  if (fd < 0) return finish(out, false);
  const std::string text = argument(action, 2);
  const bool ok =
      text.empty() || write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int saved = errno;
  close(fd);
  errno = saved;
  finish(out, ok);
}

// "open PATH r|w|rw" opens without blocking and transfers nothing: what a device cgroup or a mount
// option allows.
void do_open(JsonOut& out, const Arguments& action) {
  const std::string mode = argument(action, 2);
  const int flags = mode == "rw" ? O_RDWR : mode == "w" ? O_WRONLY : O_RDONLY;
  const int fd = open(argument(action, 1), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  finish(out, fd >= 0);
  if (fd >= 0) close(fd);
}

void do_mknod(JsonOut& out, const Arguments& action) {
  const std::string type = argument(action, 2);
  const mode_t format = type == "b" ? S_IFBLK : type == "p" ? S_IFIFO : S_IFCHR;
  const dev_t device = makedev(static_cast<unsigned>(number_argument(action, 3)),
                               static_cast<unsigned>(number_argument(action, 4)));
  finish(out, mknod(argument(action, 1), format | 0600U, device) == 0);
}

void do_list(JsonOut& out, const Arguments& action) {
  DIR* directory = opendir(argument(action, 1));
  if (directory == nullptr) return finish(out, false);
  out.key("entries").open_array();
  while (const dirent* entry = readdir(directory)) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
      out.string(entry->d_name);
  }
  out.close_array();
  closedir(directory);
  finish(out, true);
}

void do_statfs(JsonOut& out, const Arguments& action) {
  struct statfs status {};
  const bool ok = statfs(argument(action, 1), &status) == 0;
  finish(out, ok);
  if (!ok) return;
  out.key("fstype").number(status.f_type).key("flags").number(status.f_flags);
  out.key("blocks").unsigned_number(status.f_blocks).key("blockSize").number(status.f_bsize);
}

// "exec PATH ARG..." runs a program and reports its exit status, the signal that ended it, or why
// execve failed.
void do_exec(JsonOut& out, const Arguments& action) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return finish(out, false);
  const pid_t child = fork();
  if (child == 0) {
    std::vector<char*> argv;
    for (size_t i = 1; i < action.size(); ++i) argv.push_back(const_cast<char*>(action[i].c_str()));
    argv.push_back(nullptr);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) dup2(null, 1);
    execv(argv[0], argv.data());
    const int failure = errno;
    (void)!write(report[1], &failure, sizeof failure);
    _exit(127);
  }
  close(report[1]);
  int failure = 0;
  const bool failed = read(report[0], &failure, sizeof failure) == sizeof failure;
  close(report[0]);
  int status = 0;
  waitpid(child, &status, 0);
  errno = failure;
  finish(out, !failed && child > 0);
  if (WIFEXITED(status)) out.key("exit").number(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) out.key("signal").number(WTERMSIG(status));
}

// "syscall NUMBER ARG..." in a child, so that a filter that kills the caller is visible as its
// signal.
void do_syscall(JsonOut& out, const Arguments& action) {
  long values[7]{};
  for (size_t i = 0; i < 7; ++i) values[i] = number_argument(action, i + 1);
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return finish(out, false);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    const long result =
        syscall(values[0], values[1], values[2], values[3], values[4], values[5], values[6]);
    const long outcome[2] = {result, result == -1 ? errno : 0};
    (void)!write(report[1], outcome, sizeof outcome);
    _exit(0);
  }
  close(report[1]);
  long outcome[2]{};
  const bool returned = read(report[0], outcome, sizeof outcome) == sizeof outcome;
  close(report[0]);
  int status = 0;
  waitpid(child, &status, 0);
  errno = static_cast<int>(outcome[1]);
  finish(out, returned && outcome[0] != -1);
  out.key("returned").boolean(returned).key("result").number(outcome[0]);
  if (WIFSIGNALED(status)) out.key("signal").number(WTERMSIG(status));
}

void do_stat(JsonOut& out, const Arguments& action) {
  struct stat status {};
  finish(out, lstat(argument(action, 1), &status) == 0);
  out.key("stat");
  write_stat(out, argument(action, 1));
}

bool do_simple(JsonOut& out, const Arguments& action) {
  const std::string& verb = action[0];
  const char* path = argument(action, 1);
  if (verb == "mkdir") {
    finish(out, mkdir(path, 0755) == 0);
  } else if (verb == "unlink") {
    finish(out, unlink(path) == 0);
  } else if (verb == "chown") {
    finish(out,
           lchown(path,
                  static_cast<uid_t>(number_argument(action, 2)),
                  static_cast<gid_t>(number_argument(action, 3))) == 0);
  } else if (verb == "chmod") {
    finish(out, chmod(path, static_cast<mode_t>(number_argument(action, 2))) == 0);
  } else if (verb == "symlink") {
    finish(out, symlink(path, argument(action, 2)) == 0);
  } else if (verb == "mount") {
    finish(out,
           mount(path,
                 argument(action, 2),
                 argument(action, 3),
                 static_cast<unsigned long>(number_argument(action, 4)),
                 argument(action, 5)) == 0);
  } else if (verb == "umount") {
    finish(out, umount2(path, MNT_DETACH) == 0);
  } else if (verb == "sethostname") {
    finish(out, sethostname(path, std::strlen(path)) == 0);
  } else {
    return false;
  }
  return true;
}

}  // namespace

void perform_action(JsonOut& out, const Arguments& action) {
  errno = 0;
  out.open_object().key("action").string(action.empty() ? "" : action[0]);
  if (action.empty()) {
    errno = EINVAL;
    finish(out, false);
  } else if (action[0] == "read") {
    do_read(out, action);
  } else if (action[0] == "write") {
    do_write(out, action, 0);
  } else if (action[0] == "create") {
    do_write(out, action, O_CREAT | O_TRUNC);
  } else if (action[0] == "open") {
    do_open(out, action);
  } else if (action[0] == "mknod") {
    do_mknod(out, action);
  } else if (action[0] == "list") {
    do_list(out, action);
  } else if (action[0] == "statfs") {
    do_statfs(out, action);
  } else if (action[0] == "stat") {
    do_stat(out, action);
  } else if (action[0] == "exec") {
    do_exec(out, action);
  } else if (action[0] == "syscall") {
    do_syscall(out, action);
  } else if (!do_simple(out, action)) {
    errno = EINVAL;
    finish(out, false);
  }
  out.close_object();
}

}  // namespace checker
