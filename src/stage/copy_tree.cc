#include "copy_tree.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include <corten/base/strings.h>
#include <corten/sys/file.h>

namespace corten::stage {

namespace {

constexpr mode_t kPermissionBits = 07777;
// Deeper than any path that open(2) takes; an image could otherwise exhaust the stack.
constexpr int kMaxDepth = 2048;

Result<> copy_below(int from_fd, int to_fd, int depth);

Result<> copy_bytes(int from_fd, int to_fd) {
  for (;;) {
    const ssize_t count = ::sendfile(to_fd, from_fd, nullptr, std::size_t{1} << 20U);
    if (count == 0) return {};
    if (count < 0 && errno != EINTR) return Error::from_errno(errno, "sendfile()");
  }
}

Result<> copy_regular(int from_dir,
                      int to_dir,
                      const std::string& name,
                      const struct stat& status) {
  const sys::UniqueFd from = TRY(sys::openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  const sys::UniqueFd to =
      TRY(sys::openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY(copy_bytes(from.get(), to.get()));
  TRY(sys::chown_fd(to.get(), status.st_uid, status.st_gid));
  return sys::fchmod(to.get(), status.st_mode & kPermissionBits);
}

Result<> copy_directory(
    int from_dir, int to_dir, const std::string& name, const struct stat& status, int depth) {
  TRY(sys::mkdirat(to_dir, name, 0700));
  const sys::UniqueFd from = TRY(sys::openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const sys::UniqueFd to = TRY(sys::openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY(copy_below(from.get(), to.get(), depth + 1));
  TRY(sys::chown_fd(to.get(), status.st_uid, status.st_gid));
  return sys::fchmod(to.get(), status.st_mode & kPermissionBits);
}

Result<> copy_special(int from_dir,
                      int to_dir,
                      const std::string& name,
                      const struct stat& status) {
  if (S_ISLNK(status.st_mode)) {
    const std::string target = TRY(sys::readlinkat(from_dir, name));
    TRY(sys::symlinkat(target, to_dir, name));
  } else if (S_ISSOCK(status.st_mode)) {
    return {};  // a socket without its owner is of no use
  } else {
    TRY(sys::mknodat(to_dir, name, status.st_mode, status.st_rdev));
  }
  const sys::UniqueFd made = TRY(sys::openat(to_dir, name, O_PATH | O_NOFOLLOW));
  return sys::chown_fd(made.get(), status.st_uid, status.st_gid);
}

Result<> copy_entry(int from_dir, int to_dir, const std::string& name, int depth) {
  const struct stat status = TRY(sys::fstatat(from_dir, name, AT_SYMLINK_NOFOLLOW));
  Result<> done = S_ISREG(status.st_mode)   ? copy_regular(from_dir, to_dir, name, status)
                  : S_ISDIR(status.st_mode) ? copy_directory(from_dir, to_dir, name, status, depth)
                                            : copy_special(from_dir, to_dir, name, status);
  if (!done) return std::move(done).error().with_context("copying " + quote(name));
  const timespec times[2] = {status.st_atim, status.st_mtim};
  (void)::utimensat(to_dir, name.c_str(), times, AT_SYMLINK_NOFOLLOW);  // cosmetic
  return {};
}

Result<> copy_below(int from_fd, int to_fd, int depth) {
  if (depth > kMaxDepth) return Error::from_errno(ELOOP, "a tree of too many levels");
  const auto names = TRY(sys::list_directory(from_fd));
  for (const auto& name : names) TRY(copy_entry(from_fd, to_fd, name, depth));
  return {};
}

}  // namespace

Result<> copy_tree(int from_fd, int to_fd) { return copy_below(from_fd, to_fd, 0); }

}  // namespace corten::stage
