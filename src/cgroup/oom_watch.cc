#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "directory.h"
#include <corten/base/strings.h>
#include <corten/cgroup/stats.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::cgroup {

namespace {

constexpr std::size_t kMaxEvents = 4096;
constexpr int kRemovalSignalMs = 500;

// 0 when nothing was signalled.
Result<uint64_t> read_counter(int eventfd) {
  uint64_t count = 0;
  const ssize_t size = ::read(eventfd, &count, sizeof count);
  if (size < 0 && errno != EAGAIN && errno != EINTR)
    return Error::from_errno(errno, "read(eventfd)");
  return size == static_cast<ssize_t>(sizeof count) ? count : 0;
}

const Location* memory_location(const Record& record) {
  const Location* unified = nullptr;
  for (const auto& location : record.locations) {
    const auto& names = location.controllers;
    if (!location.v2 && std::find(names.begin(), names.end(), "memory") != names.end())
      return &location;
    if (location.v2) unified = &location;
  }
  return unified;
}

Result<uint64_t> count_kills(int events_fd) {
  // From the start: the file stays open between the reads.
  if (::lseek(events_fd, 0, SEEK_SET) != 0)
    return Error::from_errno(errno, "lseek(memory.events, 0)");
  const Result<std::string> text = sys::read_all(events_fd, kMaxEvents);
  if (!text) {
    if (text.error().errno_value() == ENODEV) return uint64_t{0};  // the cgroup is gone
    return text.error();
  }
  return find_flat_key(*text, "oom_kill").value_or(0);
}

}  // namespace

Result<OomWatch> OomWatch::open(const Record& record) {
  const Location* location = memory_location(record);
  const Error missing(ErrorKind::Unsupported,
                      "the container has no memory cgroup: OOM kills cannot be watched");
  if (location == nullptr) return missing;
  const Directory directory(*location);
  const int dir = TRY(directory.fd());
  OomWatch watch;
  watch.v2_ = location->v2;
  if (watch.v2_) {
    Result<sys::UniqueFd> events = sys::openat(dir, "memory.events", O_RDONLY);
    if (!events && events.error().errno_value() == ENOENT) return missing;
    if (!events) return std::move(events).error();
    watch.fd_ = *std::move(events);
    watch.seen_ = TRY(count_kills(watch.fd_.get()));
    return watch;
  }
  watch.control_ = TRY(sys::openat(dir, "memory.oom_control", O_RDONLY));
  watch.fd_ = TRY(sys::eventfd());
  const sys::UniqueFd event_control = TRY(sys::openat(dir, "cgroup.event_control", O_WRONLY));
  TRY(sys::write_once(event_control.get(),
                      fmt::format("{} {}", watch.fd_.get(), watch.control_.get()))
          .context("registering for OOM events"));
  return watch;
}

short OomWatch::poll_events() const { return v2_ ? POLLPRI : POLLIN; }

Result<uint64_t> OomWatch::take() { return v2_ ? take_v2() : take_v1(); }

// The removal of the cgroup signals as well, some time after the directory is gone: of what is
// counted then, one is not an OOM event.
Result<uint64_t> OomWatch::take_v1() {
  uint64_t count = TRY(read_counter(fd_.get()));
  if (count == 0 || removed_) return uint64_t{0};
  if (::lseek(control_.get(), 0, SEEK_SET) == 0 && sys::read_all(control_.get(), kMaxEvents))
    return count;
  removed_ = true;
  const bool more = TRY(sys::wait_readable(fd_.get(), kRemovalSignalMs));
  if (more) count += TRY(read_counter(fd_.get()));
  return count - 1;
}

Result<uint64_t> OomWatch::take_v2() {
  const uint64_t now = TRY(count_kills(fd_.get()));
  const uint64_t before = seen_;
  seen_ = std::max(now, before);
  return seen_ - before;
}

}  // namespace corten::cgroup
