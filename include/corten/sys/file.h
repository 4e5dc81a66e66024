// Files and directories: thin wrappers, one system call each unless the comment says otherwise.
// O_CLOEXEC is always added, EINTR is retried, errors carry the call with its arguments. No policy.
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>
#include <corten/sys/fd.h>

namespace corten::sys {

inline constexpr int kCwd = AT_FDCWD;

Result<UniqueFd> open(const std::string& path, int flags, mode_t mode = 0);
Result<UniqueFd> openat(int dir_fd, const std::string& path, int flags, mode_t mode = 0);
// resolve: RESOLVE_* of openat2(2). EAGAIN (a rename raced with RESOLVE_IN_ROOT) is retried 128
// times.
Result<UniqueFd> openat2(
    int dir_fd, const std::string& path, int flags, uint64_t resolve, mode_t mode = 0);

// Everything up to `limit` bytes; more than that is an error (several read calls).
Result<std::string> read_all(int fd, std::size_t limit);
Result<std::string> read_file(const std::string& path, std::size_t limit);
Result<std::string> read_file_at(int dir_fd, const std::string& path, std::size_t limit);

// One write(2) of exactly the whole text: what control files need. A short write is an error (EIO).
Result<> write_once(int fd, std::string_view text);
// Opens the existing file O_WRONLY|O_TRUNC-free and writes once.
Result<> write_file_at(int dir_fd, const std::string& path, std::string_view text);
Result<> write_file(const std::string& path, std::string_view text);
// Loops until all is written: for sockets, pipes and regular files.
Result<> write_all(int fd, std::string_view text);
// Writes to a temporary name in the same directory, then renames: readers see the old or the new
// text.
Result<> replace_file_at(int dir_fd, const std::string& name, std::string_view text, mode_t mode);
// The first half of it: returns the temporary name.
Result<std::string> write_temporary_at(int dir_fd,
                                       const std::string& name,
                                       std::string_view text,
                                       mode_t mode);

// Whether there is something of that name, be it a dangling link. For what is usually missing: an
// Error with its text would be made for nothing.
bool exists(int dir_fd, const std::string& path);
// openat2() of something that may well be missing: an invalid descriptor then (ENOENT, ENOTDIR).
Result<UniqueFd> openat2_existing(int dir_fd, const std::string& path, int flags, uint64_t resolve);

// For error texts: puts in front of a failure to open the absolute `path` what is in the way, the
// first component that is missing, is no directory, or may not be looked up: "'/no' does not
// exist". Other errors stay as they are.
Error explain_path(Error error, const std::string& path);

Result<struct stat> fstat(int fd);
Result<struct stat> fstatat(int dir_fd, const std::string& path, int flags);
Result<struct statfs> fstatfs(int fd);
Result<struct statfs> statfs(const std::string& path);

Result<> mkdirat(int dir_fd, const std::string& path, mode_t mode);
// mkdir -p for a host path outside any container's reach; existing directories are fine.
Result<> make_directories(const std::string& path, mode_t mode);
Result<> mknodat(int dir_fd, const std::string& path, mode_t mode, dev_t device);
Result<> symlinkat(const std::string& target, int dir_fd, const std::string& path);
Result<std::string> readlinkat(int dir_fd, const std::string& path);
Result<> unlinkat(int dir_fd, const std::string& path, int flags);
// Of a file that may be missing.
Result<> unlinkat_existing(int dir_fd, const std::string& path);
Result<> renameat(int old_dir,
                  const std::string& old_path,
                  int new_dir,
                  const std::string& new_path);
// Changes the object that fd (O_PATH is fine) refers to: fchownat and fchmodat with AT_EMPTY_PATH;
// chmod of an O_PATH fd goes through /proc/self/fd.
Result<> chown_fd(int fd, uid_t uid, gid_t gid);
Result<> chmod_fd(int fd, mode_t mode);
Result<> fchmod(int fd, mode_t mode);
Result<> ftruncate(int fd, off_t size);
Result<> fchdir(int fd);
Result<> chdir(const std::string& path);
Result<> chroot(const std::string& path);
// The raw system call, which says "(unreachable)..." for a directory outside the root.
Result<std::string> getcwd();

// Names in a directory without "." and "..", in the kernel's order.
Result<std::vector<std::string>> list_directory(int dir_fd);
// Removes everything below dir_fd, by fd and never through a symlink. Mount points are an error
// (EBUSY).
Result<> remove_tree_at(int dir_fd, const std::string& name);

// How a lock is taken.
enum class Lock { Shared, Exclusive };
Result<> flock(int fd, Lock lock);
// False when somebody else holds it.
Result<bool> try_flock(int fd, Lock lock);
Result<> release_flock(int fd);

Result<UniqueFd> memfd_create(const char* name, unsigned flags);
Result<UniqueFd> eventfd();                 // non-blocking, counter 0
Result<UniqueFd> duplicate(int fd);         // F_DUPFD_CLOEXEC, >= 3
Result<> duplicate_to(int fd, int target);  // dup3 without CLOEXEC: for stdio
Result<> set_cloexec(int fd, bool on);
Result<> close_range(unsigned first, unsigned last, unsigned flags);
Result<std::pair<UniqueFd, UniqueFd>> pipe();  // {read end, write end}
bool is_open(int fd);

}  // namespace corten::sys
