// No cgroups at all: --cgroup-manager=disabled, or a host without any.
#pragma once

#include <cerrno>

#include <corten/cgroup/manager.h>

namespace corten::cgroup {

class NullManager : public Manager {
 public:
  explicit NullManager(Record record) : record_(std::move(record)) {}

  const Record& record() const override { return record_; }
  Result<> create() override { return {}; }
  Result<Entrance> create_entrance() override { return Entrance{}; }
  // Limits that cannot be set are an error, never silently dropped.
  Result<> apply(const std::vector<plan::CgroupWrite>& writes) override {
    for (const auto& write : writes) {
      if (!write.optional)
        return Error(ErrorKind::Unsupported, write.pointer + ": the container has no cgroups")
            .with_pointer(write.pointer);
    }
    return {};
  }
  Result<> update(const std::vector<plan::CgroupWrite>& writes) override { return apply(writes); }
  Result<std::string> read(std::string_view, const std::string&) const override {
    return unsupported();
  }
  bool is_v2(std::string_view) const override { return false; }
  Result<> apply_devices(const std::vector<plan::DeviceRule>&) override { return {}; }
  Result<> delegate(uid_t, gid_t) override { return {}; }
  Result<Entrance> entrance() const override { return Entrance{}; }
  Result<> add(pid_t) override { return {}; }
  Result<> freeze() override { return unsupported(); }
  Result<> thaw() override { return unsupported(); }
  Result<bool> frozen() const override { return false; }
  Result<std::vector<pid_t>> pids() const override { return unsupported(); }
  Result<> signal_all(int) override { return unsupported(); }
  Result<> remove(int) override { return {}; }
  Result<OomEvents> oom_events() const override { return OomEvents{}; }

 private:
  static Error unsupported() {
    return Error(ErrorKind::Unsupported, "the container has no cgroups").with_errno(ENOENT);
  }

  Record record_;
};

}  // namespace corten::cgroup
