// events: statistics, once or at intervals, and OOM kills as they happen. Nothing is polled but the
// clock.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <optional>

#include <fmt/format.h>

#include "intel_rdt.h"
#include "stats_json.h"
#include "store.h"
#include <corten/base/log.h>
#include <corten/cgroup/manager.h>
#include <corten/cgroup/stats.h>
#include <corten/runtime/operations.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::runtime {

namespace {

constexpr std::size_t kMaxNetDev = std::size_t{4} << 20U;

std::vector<std::string> huge_page_sizes() {
  std::vector<std::string> sizes;
  const Result<sys::UniqueFd> dir = sys::open("/sys/kernel/mm/hugepages", O_RDONLY | O_DIRECTORY);
  if (!dir) return sizes;  // a kernel without huge pages
  const auto names = sys::list_directory(dir->get());
  if (!names) return sizes;
  for (const auto& name : *names) {
    std::string size = huge_page_size_name(name);
    if (!size.empty()) sizes.push_back(std::move(size));
  }
  return sizes;
}

// Only of a network namespace that is the container's own: the host's interfaces are not its.
std::vector<NetworkInterface> interfaces_of(const Record& record) {
  if ((record.namespaces & CLONE_NEWNET) == 0) return {};
  const auto text = sys::read_file(fmt::format("/proc/{}/net/dev", record.init.pid), kMaxNetDev);
  return text ? parse_net_dev(*text) : std::vector<NetworkInterface>();
}

Result<std::string> collect(const Record& record) {
  const auto manager = cgroup::open_manager(record.cgroup);
  const cgroup::Stats stats = TRY(cgroup::read_stats(*manager, huge_page_sizes()));
  const RdtStats rdt = TRY(rdt_stats_of(record));
  return stats_json(record.id, stats, interfaces_of(record), rdt);
}

Result<Record> load_living(const Entry& entry) {
  Record record = TRY(entry.load());
  const spec::Status status = status_of(entry, record);
  if (status == spec::Status::Stopped || status == spec::Status::Creating)
    return Error(ErrorKind::WrongState, "container not running");
  return record;
}

int64_t now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

class Stream {
 public:
  using Sink = std::function<Result<>(const std::string&)>;

  Stream(const Record& record, int milliseconds, const Sink& sink)
      : record_(record), interval_(milliseconds), sink_(sink) {}

  Result<> run() {
    pidfd_ = TRY(sys::pidfd_open(record_.init.pid));
    if (!is_alive(record_.init)) return {};
    Result<cgroup::OomWatch> watch = cgroup::OomWatch::open(record_.cgroup);
    // Without a memory cgroup there is nothing to tell about it; the statistics go on.
    if (watch) {
      watch_.emplace(*std::move(watch));
    } else if (watch.error().kind() != ErrorKind::Unsupported) {
      return watch.error();
    } else {
      log::debug(watch.error().message());
    }
    next_ = now_ms() + interval_;
    for (;;) {
      const bool ended = TRY(wait());
      TRY(report_oom());
      if (ended) return {};
      if (now_ms() >= next_) TRY(report_stats());
    }
  }

 private:
  // True when init has ended.
  Result<bool> wait() {
    std::array<pollfd, 2> entries = {
        pollfd{pidfd_.get(), POLLIN, 0},
        pollfd{watch_ ? watch_->fd() : -1, watch_ ? watch_->poll_events() : short{0}, 0}};
    const int64_t left = std::max<int64_t>(next_ - now_ms(), 0);
    if (::poll(entries.data(), entries.size(), static_cast<int>(left)) < 0 && errno != EINTR)
      return Error::from_errno(errno, "poll() for events");
    return entries[0].revents != 0;
  }

  Result<> report_oom() {
    if (!watch_) return {};
    const uint64_t count = TRY(watch_->take());
    for (uint64_t i = 0; i < count; ++i) TRY(sink_(oom_json(record_.id)));
    return {};
  }

  Result<> report_stats() {
    next_ += interval_;
    const Result<std::string> line = collect(record_);
    // The cgroups can go while they are read; the end of init follows.
    if (!line && (line.error().errno_value() == ENOENT || line.error().errno_value() == ENODEV))
      return {};
    if (!line) return line.error();
    return sink_(*line);
  }

  const Record& record_;
  int64_t interval_;
  const Sink& sink_;
  sys::UniqueFd pidfd_;
  std::optional<cgroup::OomWatch> watch_;
  int64_t next_ = 0;  // of CLOCK_MONOTONIC, in milliseconds
};

}  // namespace

Result<std::string> stats(const Context& context, const std::string& id) {
  const Entry entry = TRY(open_entry(context, id));
  const Record record = TRY(load_living(entry));
  return collect(record);
}

Result<> events(const Context& context,
                const std::string& id,
                int milliseconds,
                const std::function<Result<>(const std::string&)>& sink) {
  const Entry entry = TRY(open_entry(context, id));
  const Record record = TRY(load_living(entry));
  return Stream(record, milliseconds, sink).run();
}

}  // namespace corten::runtime
