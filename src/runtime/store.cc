#include "store.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include <corten/base/strings.h>
#include <corten/cgroup/manager.h>
#include <corten/spec/parse.h>
#include <corten/spec/validate.h>
#include <corten/sys/file.h>
#include <corten/sys/socket.h>

namespace corten::runtime {

namespace {

// A config's annotations are in the record, where a character may take six.
constexpr std::size_t kMaxRecordBytes = 6 * spec::kMaxConfigBytes;

// Whoever can write to the root can make this runtime kill and remove what it likes.
Result<> check_root(const std::string& path, int fd) {
  const struct stat status = TRY(sys::fstat(fd));
  if (status.st_uid != ::geteuid()) {
    return Error(ErrorKind::InvalidArgument,
                 fmt::format("the state root {} belongs to uid {}, not to uid {}",
                             quote(path),
                             status.st_uid,
                             ::geteuid()));
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error(
        ErrorKind::InvalidArgument,
        fmt::format("the state root {} can be written by others (mode {:#o}): chmod 0700 it",
                    quote(path),
                    status.st_mode & 07777));
  }
  return {};
}

Result<sys::UniqueFd> open_root(const std::string& path) {
  sys::UniqueFd fd = TRY(sys::open(path, O_RDONLY | O_DIRECTORY));
  TRY(check_root(path, fd.get()));
  return fd;
}

Result<sys::UniqueFd> open_or_make_root(const std::string& path) {
  Result<sys::UniqueFd> fd = open_root(path);
  if (fd || fd.error().errno_value() != ENOENT) return fd;
  TRY(sys::make_directories(path, 0700));
  return open_root(path);
}

const char* file_of(const Record& record) {
  return record.phase == Phase::Creating ? kCreatingFile : kStateFile;
}

Error damaged_root(Error error, const std::string& path) {
  return std::move(error).with_context("opening the state root " + quote(path));
}

}  // namespace

Error not_found(const std::string& id) {
  return Error(ErrorKind::NotFound, fmt::format("container does not exist: {}", quote(id)));
}

Result<> Entry::lock() {
  TRY(sys::flock(dir_.get(), sys::Lock::Exclusive));
  // Another process may have deleted the container while this one waited.
  const struct stat held = TRY(sys::fstat(dir_.get()));
  const Result<struct stat> named = sys::fstatat(root_.get(), id_, AT_SYMLINK_NOFOLLOW);
  if (!named && named.error().errno_value() != ENOENT) return named.error();
  if (!named || named->st_ino != held.st_ino) return not_found(id_);
  return {};
}

Result<> Entry::unlock() { return sys::release_flock(dir_.get()); }

Result<Record> Entry::load_file(const char* name) const {
  const std::string text = TRY(sys::read_file_at(dir_.get(), name, kMaxRecordBytes));
  return Record::from_json(text).context(
      [&] { return fmt::format("container {}: {}", quote(id_), name); });
}

Result<Record> Entry::load() const {
  Result<Record> record = load_file(kStateFile);
  if (record || record.error().errno_value() != ENOENT) return record;
  record = load_file(kCreatingFile);
  if (record || record.error().errno_value() != ENOENT) return record;
  return Error(ErrorKind::NotFound,
               fmt::format("container does not exist: {}: its creation was interrupted before "
                           "anything was made: delete --force removes the rest",
                           quote(id_)))
      .with_errno(ENOENT);
}

Result<Record> Entry::load_creating() const { return load_file(kCreatingFile); }

Result<> Entry::save(const Record& record) const {
  const std::string prepared = TRY(prepare(record));
  return commit(record, prepared);
}

Result<std::string> Entry::prepare(const Record& record) const {
  return sys::write_temporary_at(dir_.get(), file_of(record), record.to_json(), 0600)
      .context("storing the container's state");
}

Result<> Entry::commit(const Record& record, const std::string& prepared) const {
  return sys::renameat(dir_.get(), prepared, dir_.get(), file_of(record))
      .context("storing the container's state");
}

Result<> Entry::destroy() {
  // Nearly always these are all.
  for (const char* name : {kStartSocket, kSeccompFile, kConfigFile, kCreatingFile, kStateFile}) {
    TRY(sys::unlinkat_existing(dir_.get(), name));
  }
  const Result<> gone = sys::unlinkat(root_.get(), id_, AT_REMOVEDIR);
  if (gone || gone.error().errno_value() != ENOTEMPTY) return gone;
  // Without a record there is nothing but the directory, so that a crash can be repeated from here.
  const auto names = TRY(sys::list_directory(dir_.get()));
  for (const auto& name : names) TRY(sys::remove_tree_at(dir_.get(), name));
  return sys::unlinkat(root_.get(), id_, AT_REMOVEDIR);
}

Result<Entry> make_entry(const Context& context, const std::string& id) {
  TRY(spec::validate_id(id));
  Result<sys::UniqueFd> root = open_or_make_root(context.root);
  if (!root) return damaged_root(std::move(root).error(), context.root);
  const Result<> made = sys::mkdirat(root->get(), id, 0700);
  if (!made) {
    if (made.error().errno_value() != EEXIST) return made.error();
    return Error(ErrorKind::Exists,
                 fmt::format("container with given ID already exists: {}", quote(id)));
  }
  Result<sys::UniqueFd> dir = sys::openat(root->get(), id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir) {
    (void)sys::unlinkat(root->get(), id, AT_REMOVEDIR);
    return std::move(dir).error();
  }
  return Entry(id, std::move(*root), std::move(*dir));
}

Result<Entry> open_entry(const Context& context, const std::string& id) {
  TRY(spec::validate_id(id));
  Result<sys::UniqueFd> root = open_root(context.root);
  if (!root) {
    if (root.error().errno_value() == ENOENT) return not_found(id);
    return damaged_root(std::move(root).error(), context.root);
  }
  Result<sys::UniqueFd> dir = sys::openat(root->get(), id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir) {
    if (dir.error().errno_value() == ENOENT) return not_found(id);
    return std::move(dir).error();
  }
  return Entry(id, std::move(*root), std::move(*dir));
}

Result<std::vector<std::string>> list_ids(const Context& context) {
  const Result<sys::UniqueFd> root = open_root(context.root);
  if (!root) {
    if (root.error().errno_value() == ENOENT) return std::vector<std::string>();
    return root.error();
  }
  std::vector<std::string> ids = TRY(sys::list_directory(root->get()));
  std::erase_if(ids, [](const std::string& id) { return !spec::validate_id(id).has_value(); });
  std::sort(ids.begin(), ids.end());
  return ids;
}

namespace {

// Until execve, init runs the file that the record names, and the start socket is there. Both are
// looked at: `start` may have been killed before it removed the socket, and a program may be corten
// itself.
bool waits_for_start(const Entry& entry, const Record& record) {
  if (!sys::fstatat(entry.fd(), kStartSocket, AT_SYMLINK_NOFOLLOW)) return false;
  const Result<struct stat> exe =
      sys::fstatat(AT_FDCWD, fmt::format("/proc/{}/exe", record.init.pid), 0);
  if (exe) return exe->st_dev == record.init_exe_device && exe->st_ino == record.init_exe_inode;
  // An ordinary user may not look at a process that is not dumpable, which init is and its program
  // not. Whether anybody listens tells as well; init forgets a client that says nothing.
  const int code = exe.error().errno_value();
  return (code == EACCES || code == EPERM) &&
         sys::unix_connect(entry.fd(), kStartSocket, SOCK_SEQPACKET).has_value();
}

bool is_paused(const Record& record) {
  const Result<bool> frozen = cgroup::open_manager(record.cgroup)->frozen();
  return frozen && *frozen;
}

}  // namespace

spec::Status status_of(const Entry& entry, const Record& record) {
  if (record.phase == Phase::Creating) {
    return is_alive(record.runtime) ? spec::Status::Creating : spec::Status::Stopped;
  }
  if (!is_alive(record.init)) return spec::Status::Stopped;
  if (waits_for_start(entry, record)) return spec::Status::Created;
  return is_paused(record) ? spec::Status::Paused : spec::Status::Running;
}

}  // namespace corten::runtime
