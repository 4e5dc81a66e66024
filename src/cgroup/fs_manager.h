// The cgroupfs driver: the container's directories in every hierarchy, v1 and v2 alike.
#pragma once

#include <vector>

#include "directory.h"
#include <corten/cgroup/manager.h>

namespace corten::cgroup {

class FsManager : public Manager {
 public:
  explicit FsManager(Record record);

  const Record& record() const override { return record_; }
  Result<> create() override;
  Result<Entrance> create_entrance() override;
  Result<> apply(const std::vector<plan::CgroupWrite>& writes) override;
  Result<> update(const std::vector<plan::CgroupWrite>& writes) override;
  Result<std::string> read(std::string_view controller, const std::string& file) const override;
  bool is_v2(std::string_view controller) const override;
  Result<> apply_devices(const std::vector<plan::DeviceRule>& rules) override;
  Result<> delegate(uid_t uid, gid_t gid) override;
  Result<> nest(const std::string& subgroup, const std::string& delegated) override;
  Result<> pass_controllers() override;
  Result<Entrance> entrance() const override;
  Result<> add(pid_t pid) override;
  Result<> freeze() override;
  Result<> thaw() override;
  Result<bool> frozen() const override;
  Result<std::vector<pid_t>> pids() const override;
  Result<> signal_all(int signal) override;
  Result<> remove(int milliseconds) override;
  Result<OomEvents> oom_events() const override;

 protected:
  // Puts the container into these directories, as a unit of systemd.
  void adopt(std::string scope, std::vector<Location> locations);
  Result<> create_directories(Directory::Existing existing);
  // checkBeforeUpdate of every write.
  Result<> check_usages(const std::vector<plan::CgroupWrite>& writes) const;

 private:
  // The v1 hierarchy that has the controller, else the cgroup2 directory; null when neither can.
  const Directory* find(std::string_view controller) const;
  const Directory* unified() const;
  Result<> write_one(const plan::CgroupWrite& write) const;
  Result<> check_usage(const plan::CgroupWrite& write) const;
  Result<> kill_everything();
  Error left_over() const;

  // The directory and its files of /sys/kernel/cgroup/delegate.
  static Result<> give(int dir, uid_t uid, gid_t gid);
  std::string innermost() const;

  Record record_;
  std::string subgroup_;  // of nest()
  std::string delegated_;
  std::vector<Directory> directories_;
  bool v2_made_ = false;  // by create_entrance()
};

}  // namespace corten::cgroup
