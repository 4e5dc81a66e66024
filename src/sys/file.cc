#include <dirent.h>
#include <linux/close_range.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "call.h"
#include <corten/sys/file.h>

namespace corten::sys {

namespace {

// What is wrong with one component on the way, "" when nothing is. last: it need not be a
// directory.
std::string obstacle(const std::string& path, bool last) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    return last || S_ISDIR(status.st_mode) ? "" : quote(path) + " is not a directory";
  }
  if (errno == ENOENT && ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode))
    return quote(path) + " is a symbolic link that leads nowhere";
  if (errno == ENOENT) return quote(path) + " does not exist";
  return errno == EACCES ? quote(path) + " may not be reached" : "";
}

}  // namespace

Result<UniqueFd> open(const std::string& path, int flags, mode_t mode) {
  return openat(AT_FDCWD, path, flags, mode);
}

Result<UniqueFd> openat(int dir_fd, const std::string& path, int flags, mode_t mode) {
  const int fd =
      retry_eintr([&] { return ::openat(dir_fd, path.c_str(), flags | O_CLOEXEC, mode); });
  if (fd < 0) return failed("openat({}, {}, {:#x})", name_of_dir(dir_fd), quote(path), flags);
  return UniqueFd(fd);
}

namespace {

int try_openat2(int dir_fd, const std::string& path, int flags, uint64_t resolve, mode_t mode) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = resolve;
  constexpr int kAttempts = 128;
  long fd = -1;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    fd = syscall(SYS_openat2, dir_fd, path.c_str(), &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  return static_cast<int>(fd);
}

[[gnu::cold]] Error openat2_failed(int dir_fd,
                                   const std::string& path,
                                   int flags,
                                   uint64_t resolve) {
  return failed("openat2({}, {}, {{flags {:#x}, resolve {:#x}}})",
                name_of_dir(dir_fd),
                quote(path),
                flags,
                resolve);
}

}  // namespace

Result<UniqueFd> openat2(
    int dir_fd, const std::string& path, int flags, uint64_t resolve, mode_t mode) {
  const int fd = try_openat2(dir_fd, path, flags, resolve, mode);
  if (fd < 0) return openat2_failed(dir_fd, path, flags, resolve);
  return UniqueFd(fd);
}

Result<UniqueFd> openat2_existing(int dir_fd,
                                  const std::string& path,
                                  int flags,
                                  uint64_t resolve) {
  const int fd = try_openat2(dir_fd, path, flags, resolve, 0);
  if (fd >= 0) return UniqueFd(fd);
  if (errno == ENOENT || errno == ENOTDIR) return UniqueFd();
  return openat2_failed(dir_fd, path, flags, resolve);
}

bool exists(int dir_fd, const std::string& path) {
  return ::faccessat(dir_fd, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<std::string> read_all(int fd, std::size_t limit) {
  // Not straight into the string: its new space would be cleared first, and most files are small.
  std::array<char, 4096> chunk;
  std::string text;
  for (;;) {
    const ssize_t count = retry_eintr([&] { return ::read(fd, chunk.data(), chunk.size()); });
    if (count < 0) return failed("read({})", fd);
    if (count == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(count));
    if (text.size() > limit) {
      errno = EFBIG;
      return failed("read({}): more than {} bytes", fd, limit);
    }
  }
}

Result<std::string> read_file_at(int dir_fd, const std::string& path, std::size_t limit) {
  const UniqueFd fd = TRY(openat(dir_fd, path, O_RDONLY | O_NOCTTY));
  return read_all(fd.get(), limit).context([&] { return "reading " + quote(path); });
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  return read_file_at(AT_FDCWD, path, limit);
}

Error explain_path(Error error, const std::string& path) {
  const int code = error.errno_value();
  if (!path.starts_with('/') || (code != ENOENT && code != ENOTDIR && code != EACCES)) return error;
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const bool last = end == std::string::npos;
    const std::string found = obstacle(path.substr(0, end), last);
    if (!found.empty()) return std::move(error).with_context(found);
    if (last) return error;
  }
}

Result<> write_once(int fd, std::string_view text) {
  const ssize_t count = retry_eintr([&] { return ::write(fd, text.data(), text.size()); });
  if (count < 0) return failed("write({}, {})", fd, quote(text.substr(0, 256)));
  if (static_cast<std::size_t>(count) != text.size()) {
    errno = EIO;
    return failed(
        "write({}, {}): {} of {} bytes", fd, quote(text.substr(0, 256)), count, text.size());
  }
  return {};
}

Result<> write_file_at(int dir_fd, const std::string& path, std::string_view text) {
  const UniqueFd fd = TRY(openat(dir_fd, path, O_WRONLY));
  return write_once(fd.get(), text).context([&] { return "writing " + quote(path); });
}

Result<> write_file(const std::string& path, std::string_view text) {
  return write_file_at(AT_FDCWD, path, text);
}

Result<> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = retry_eintr([&] { return ::write(fd, text.data(), text.size()); });
    if (count < 0) return failed("write({}, {} bytes)", fd, text.size());
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Result<std::string> write_temporary_at(int dir_fd,
                                       const std::string& name,
                                       std::string_view text,
                                       mode_t mode) {
  std::string temporary = fmt::format(".{}.{}", name, getpid());
  Result<UniqueFd> fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  if (!fd && fd.error().errno_value() == EEXIST) {
    // A process with our pid died in the middle of this; the name is ours now.
    TRY(unlinkat(dir_fd, temporary, 0));
    fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  }
  if (!fd) return std::move(fd).error();
  const Result<> done = write_all(fd->get(), text);
  if (done) return temporary;
  (void)unlinkat(dir_fd, temporary, 0);  // the error that counts is the first one
  return done.error();
}

Result<> replace_file_at(int dir_fd, const std::string& name, std::string_view text, mode_t mode) {
  const std::string temporary = TRY(write_temporary_at(dir_fd, name, text, mode));
  const Result<> done = renameat(dir_fd, temporary, dir_fd, name);
  if (!done) (void)unlinkat(dir_fd, temporary, 0);
  return done;
}

Result<struct stat> fstat(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return failed("fstat({})", fd);
  return status;
}

Result<struct stat> fstatat(int dir_fd, const std::string& path, int flags) {
  struct stat status {};
  if (::fstatat(dir_fd, path.c_str(), &status, flags) != 0) {
    return failed("fstatat({}, {})", name_of_dir(dir_fd), quote(path));
  }
  return status;
}

Result<struct statfs> fstatfs(int fd) {
  struct statfs status {};
  if (retry_eintr([&] { return ::fstatfs(fd, &status); }) != 0) return failed("fstatfs({})", fd);
  return status;
}

Result<struct statfs> statfs(const std::string& path) {
  struct statfs status {};
  if (retry_eintr([&] { return ::statfs(path.c_str(), &status); }) != 0) {
    return failed("statfs({})", quote(path));
  }
  return status;
}

Result<> mkdirat(int dir_fd, const std::string& path, mode_t mode) {
  return check(::mkdirat(dir_fd, path.c_str(), mode),
               "mkdirat({}, {}, {:#o})",
               name_of_dir(dir_fd),
               quote(path),
               mode);
}

Result<> make_directories(const std::string& path, mode_t mode) {
  for (std::size_t end = path.find('/', 1); end != std::string::npos;
       end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST)
      return failed("mkdir({})", quote(part));
  }
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return failed("mkdir({})", quote(path));
  return {};
}

Result<> mknodat(int dir_fd, const std::string& path, mode_t mode, dev_t device) {
  return check(::mknodat(dir_fd, path.c_str(), mode, device),
               "mknodat({}, {}, {:#o}, {:#x})",
               name_of_dir(dir_fd),
               quote(path),
               mode,
               device);
}

Result<> symlinkat(const std::string& target, int dir_fd, const std::string& path) {
  return check(::symlinkat(target.c_str(), dir_fd, path.c_str()),
               "symlinkat({}, {}, {})",
               quote(target),
               name_of_dir(dir_fd),
               quote(path));
}

Result<std::string> readlinkat(int dir_fd, const std::string& path) {
  std::array<char, 4096> target{};
  const ssize_t length = ::readlinkat(dir_fd, path.c_str(), target.data(), target.size());
  if (length < 0) return failed("readlinkat({}, {})", name_of_dir(dir_fd), quote(path));
  return std::string(target.data(), static_cast<std::size_t>(length));
}

Result<> unlinkat(int dir_fd, const std::string& path, int flags) {
  return check(::unlinkat(dir_fd, path.c_str(), flags),
               "unlinkat({}, {}, {:#x})",
               name_of_dir(dir_fd),
               quote(path),
               flags);
}

Result<> unlinkat_existing(int dir_fd, const std::string& path) {
  if (::unlinkat(dir_fd, path.c_str(), 0) == 0 || errno == ENOENT) return {};
  return failed("unlinkat({}, {})", name_of_dir(dir_fd), quote(path));
}

Result<> renameat(int old_dir,
                  const std::string& old_path,
                  int new_dir,
                  const std::string& new_path) {
  return check(::renameat(old_dir, old_path.c_str(), new_dir, new_path.c_str()),
               "renameat({}, {}, {}, {})",
               name_of_dir(old_dir),
               quote(old_path),
               name_of_dir(new_dir),
               quote(new_path));
}

Result<> chown_fd(int fd, uid_t uid, gid_t gid) {
  return check(::fchownat(fd, "", uid, gid, AT_EMPTY_PATH),
               "fchownat({}, \"\", {}, {}, AT_EMPTY_PATH)",
               fd,
               uid,
               gid);
}

Result<> chmod_fd(int fd, mode_t mode) {
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  return check(::chmod(path.c_str(), mode), "chmod({}, {:#o})", path, mode);
}

Result<> fchmod(int fd, mode_t mode) {
  return check(::fchmod(fd, mode), "fchmod({}, {:#o})", fd, mode);
}
Result<> ftruncate(int fd, off_t size) {
  return check(::ftruncate(fd, size), "ftruncate({}, {})", fd, size);
}
Result<> fchdir(int fd) { return check(::fchdir(fd), "fchdir({})", fd); }
Result<> chdir(const std::string& path) {
  return check(::chdir(path.c_str()), "chdir({})", quote(path));
}
Result<> chroot(const std::string& path) {
  return check(::chroot(path.c_str()), "chroot({})", quote(path));
}

Result<std::string> getcwd() {
  std::array<char, 4096> path{};
  const long length = syscall(SYS_getcwd, path.data(), path.size());
  if (length < 0) return failed("getcwd()");
  return std::string(path.data());
}

Result<std::vector<std::string>> list_directory(int dir_fd) {
  // An own open file description: the caller's offset stays where it is.
  UniqueFd fd = TRY(openat(dir_fd, ".", O_RDONLY | O_DIRECTORY));
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), &::closedir);
  if (!dir) return failed("fdopendir({})", dir_fd);
  (void)fd.release();  // closedir closes it
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return failed("readdir({})", dir_fd);
  return names;
}

Result<> remove_tree_at(int dir_fd, const std::string& name) {
  const Result<> as_file = unlinkat(dir_fd, name, 0);
  if (as_file) return {};
  const int code = as_file.error().errno_value();
  if (code != EISDIR && code != EPERM) return as_file;
  const UniqueFd dir = TRY(openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const std::vector<std::string> entries = TRY(list_directory(dir.get()));
  for (const auto& entry : entries) TRY(remove_tree_at(dir.get(), entry));
  return unlinkat(dir_fd, name, AT_REMOVEDIR);
}

Result<> flock(int fd, Lock lock) {
  const int operation = lock == Lock::Shared ? LOCK_SH : LOCK_EX;
  return check(retry_eintr([&] { return ::flock(fd, operation); }), "flock({}, {})", fd, operation);
}

Result<> release_flock(int fd) {
  return check(retry_eintr([&] { return ::flock(fd, LOCK_UN); }), "flock({}, LOCK_UN)", fd);
}

Result<bool> try_flock(int fd, Lock lock) {
  const int operation = (lock == Lock::Shared ? LOCK_SH : LOCK_EX) | LOCK_NB;
  if (retry_eintr([&] { return ::flock(fd, operation); }) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  return failed("flock({}, {})", fd, operation);
}

Result<UniqueFd> eventfd() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return failed("eventfd(0, EFD_NONBLOCK)");
  return UniqueFd(fd);
}

Result<UniqueFd> memfd_create(const char* name, unsigned flags) {
  const int fd = ::memfd_create(name, flags | MFD_CLOEXEC);
  if (fd < 0) return failed("memfd_create({}, {:#x})", name, flags);
  return UniqueFd(fd);
}

Result<UniqueFd> duplicate(int fd) {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return failed("fcntl({}, F_DUPFD_CLOEXEC, 3)", fd);
  return UniqueFd(copy);
}

Result<> duplicate_to(int fd, int target) {
  if (fd == target) return set_cloexec(fd, false);
  return check(retry_eintr([&] { return ::dup3(fd, target, 0); }), "dup3({}, {})", fd, target);
}

Result<> set_cloexec(int fd, bool on) {
  return check(::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0), "fcntl({}, F_SETFD)", fd);
}

Result<> close_range(unsigned first, unsigned last, unsigned flags) {
  return check(
      syscall(SYS_close_range, first, last, flags), "close_range({}, {}, {})", first, last, flags);
}

Result<std::pair<UniqueFd, UniqueFd>> pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failed("pipe2(O_CLOEXEC)");
  return std::pair<UniqueFd, UniqueFd>(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

}  // namespace corten::sys
