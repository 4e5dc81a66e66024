// checkpoint: the state of all processes of a container goes into image files; the container ends
// or runs on.
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "container.h"
#include "criu.h"
#include "criu_mapping.h"
#include "load.h"
#include <corten/base/json_text.h>
#include <corten/base/strings.h>
#include <corten/runtime/operations.h>
#include <corten/sys/file.h>

namespace corten::runtime {

namespace {

constexpr const char* kLogFile = "dump.log";

Result<sys::UniqueFd> open_directory(const std::string& path) {
  TRY(sys::make_directories(path, 0700));
  return sys::open(path, O_RDONLY | O_DIRECTORY);
}

Result<> check_parent(const CriuOptions& options) {
  if (options.parent_path.empty()) return {};
  if (options.parent_path.starts_with('/'))
    return Error(ErrorKind::InvalidArgument,
                 "--parent-path is relative to --image-path: " + quote(options.parent_path));
  TRY(sys::fstatat(AT_FDCWD, options.image_path + "/" + options.parent_path, 0)
          .context("--parent-path"));
  return {};
}

Result<> check_status_fd(const CriuOptions& options) {
  if (options.status_fd < 0 || sys::is_open(options.status_fd)) return {};
  return Error(ErrorKind::InvalidArgument,
               fmt::format("--status-fd: descriptor {} is not open", options.status_fd));
}

std::string freezer_path(const Record& record) {
  const cgroup::Location* unified = nullptr;
  for (const auto& location : record.cgroup.locations) {
    for (const auto& controller : location.controllers) {
      if (!location.v2 && controller == "freezer") return location.mount_point + location.path;
    }
    if (location.v2) unified = &location;
  }
  return unified == nullptr ? "" : unified->mount_point + unified->path;
}

// The namespaces that were there before the container are not dumped; restore is given others.
Result<> add_external_namespaces(const plan::Plan& plan, criu::Options& options) {
  for (const auto& join : plan.namespaces.join) {
    const std::string key = criu::external_namespace_key(join.flag);
    if (key.empty()) continue;
    const struct stat file = TRY(sys::fstatat(AT_FDCWD, join.path, 0).context("/linux/namespaces"));
    options.external.push_back(
        fmt::format("{}[{}]:{}", join.flag == CLONE_NEWNET ? "net" : "pid", file.st_ino, key));
  }
  return {};
}

// Pipes of init's standard streams lead to the engine: restore puts new ones in their place.
Result<> write_descriptors(const Record& record, int images_fd) {
  JsonWriter json;
  json.begin_array();
  for (int fd = 0; fd <= 2; ++fd) {
    const Result<std::string> target =
        sys::readlinkat(AT_FDCWD, fmt::format("/proc/{}/fd/{}", record.init.pid, fd));
    json.value(target ? *target : "");
  }
  json.end_array();
  return sys::replace_file_at(images_fd, criu::kDescriptorsFile, json.text(), 0600);
}

class Checkpoint {
 public:
  Checkpoint(const Context& context, const Record& record, const CriuOptions& options)
      : context_(context), record_(record), given_(options) {}

  Result<> run() {
    job_.child.program = TRY(criu::find_program());
    TRY(criu::check_version(job_.child.program));
    TRY(check_status_fd(given_));
    images_ = TRY(open_directory(given_.image_path).context("--image-path"));
    if (!given_.work_path.empty())
      work_ = TRY(open_directory(given_.work_path).context("--work-path"));
    TRY(check_parent(given_));
    TRY(fill());
    TRY(criu::run(job_));
    return {};
  }

 private:
  Result<> fill() {
    auto& options = job_.options;
    TRY(criu::apply_options(given_, record_, images_.get(), work_ ? work_.get() : -1, options));
    options.pid = record_.init.pid;
    options.log_file = kLogFile;
    options.root = record_.rootfs;
    options.leave_running = given_.leave_running;
    options.parent_image = given_.parent_path;
    options.freeze_cgroup = freezer_path(record_);
    job_.log_path = (work_ ? given_.work_path : given_.image_path) + "/" + kLogFile;
    job_.type = given_.pre_dump ? criu::Type::PreDump : criu::Type::Dump;
    job_.notified = [this](const criu::Response& notification, sys::UniqueFd) {
      return notified(notification);
    };
    if (given_.pre_dump || given_.lazy_pages)
      TRY(criu::check_features(job_.child.program, {given_.pre_dump, given_.lazy_pages}));
    return given_.pre_dump ? Result<>() : add_outside();
  }

  Result<> add_outside() {
    CreateOptions stored;
    stored.id = record_.id;
    stored.bundle = record_.bundle;
    stored.config = context_.root + "/" + record_.id + "/" + kConfigFile;
    const Loaded loaded = TRY(load_plan(context_, stored));
    auto& mounts = job_.options.external_mounts;
    // The value is a name only; restore looks it up by that.
    for (const auto& [destination, source] : criu::external_mounts(loaded.plan, record_))
      mounts.emplace_back(destination, destination);
    for (const auto& path : criu::masked_files(loaded.plan, record_.init.pid))
      mounts.emplace_back(path, "/dev/null");
    TRY(add_external_namespaces(loaded.plan, job_.options));
    return write_descriptors(record_, images_.get());
  }

  // The page server listens: whoever waits on the descriptor may go on.
  Result<> notified(const criu::Response& notification) {
    if (notification.notification != "status-ready" || given_.status_fd < 0 || status_sent_)
      return {};
    status_sent_ = true;
    return sys::write_all(given_.status_fd, std::string_view("\0", 1)).context("--status-fd");
  }

  const Context& context_;
  const Record& record_;
  const CriuOptions& given_;
  sys::UniqueFd images_;
  sys::UniqueFd work_;
  criu::Job job_;
  bool status_sent_ = false;
};

}  // namespace

Result<> probe_checkpoint() {
  const std::string program = TRY(criu::find_program());
  TRY(criu::check_version(program));
  return {};
}

Result<> checkpoint(const Context& context, const std::string& id, const CriuOptions& options) {
  Entry entry = TRY(open_entry(context, id));
  TRY(entry.lock());
  const Record record = TRY(entry.load());
  const spec::Status status = status_of(entry, record);
  if (status != spec::Status::Running && status != spec::Status::Paused) {
    return Error(ErrorKind::WrongState,
                 status == spec::Status::Created
                     ? "cannot checkpoint a container that was not started"
                     : "container not running");
  }
  TRY(Checkpoint(context, record, options).run());
  if (options.leave_running || options.pre_dump) return {};
  // CRIU has killed the processes: what is left of the container would only be in the way of its
  // restore.
  return destroy_container(entry, record);
}

}  // namespace corten::runtime
