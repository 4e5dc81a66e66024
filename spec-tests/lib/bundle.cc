#include "bundle.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "process.h"

namespace spec {
namespace fs = std::filesystem;
namespace {

Json mount(const char* destination,
           const char* type,
           const char* source,
           std::vector<std::string> options) {
  return {{"destination", destination},
          {"type", type},
          {"source", source},
          {"options", std::move(options)}};
}

const std::vector<std::string> kCapabilities = {"CAP_CHOWN",
                                                "CAP_DAC_OVERRIDE",
                                                "CAP_FOWNER",
                                                "CAP_FSETID",
                                                "CAP_KILL",
                                                "CAP_SETGID",
                                                "CAP_SETUID",
                                                "CAP_SETPCAP",
                                                "CAP_MKNOD",
                                                "CAP_NET_BIND_SERVICE"};

}  // namespace

Json base_config(const std::string& cgroups_path) {
  Json config;
  config["ociVersion"] = "1.0.2";
  config["root"] = {{"path", "rootfs"}, {"readonly", false}};
  config["process"] = {{"terminal", false},
                       {"user", {{"uid", 0}, {"gid", 0}}},
                       {"args", {"/bin/checker", "report"}},
                       {"env", {"PATH=/bin:/usr/bin", "HOME=/"}},
                       {"cwd", "/"},
                       {"noNewPrivileges", true}};
  for (const char* set : {"bounding", "effective", "permitted"})
    config["process"]["capabilities"][set] = kCapabilities;
  config["hostname"] = "conformance";
  config["mounts"] = Json::array({
      mount("/proc", "proc", "proc", {}),
      mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount("/dev/pts",
            "devpts",
            "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}),
      mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
      mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
  });
  config["linux"]["namespaces"] = Json::array();
  for (const char* type : {"pid", "network", "ipc", "uts", "mount"}) {
    config["linux"]["namespaces"].push_back({{"type", type}});
  }
  config["linux"]["cgroupsPath"] = cgroups_path;
  return config;
}

Bundle::Bundle(std::string directory, const std::string& checker, const std::string& cgroups_path)
    : config(base_config(cgroups_path)), directory_(std::move(directory)) {
  for (const char* path :
       {"bin", "dev", "proc", "sys", "tmp", "mnt", "mnt2", "etc", "data", "log"}) {
    fs::create_directories(rootfs() + "/" + path);
  }
  for (const std::string& path : {directory_, rootfs()}) ::chmod(path.c_str(), 0755);
  ::chmod((rootfs() + "/tmp").c_str(), 01777);
  const std::string target = rootfs() + "/bin/checker";
  if (::link(checker.c_str(), target.c_str()) != 0) fs::copy_file(checker, target);
  ::chmod(target.c_str(), 0755);
}

void Bundle::set_command(std::vector<std::string> words) {
  words.insert(words.begin(), "/bin/checker");
  process()["args"] = words;
}

void Bundle::add_namespace(const std::string& type, const std::string& path) {
  remove_namespace(type);
  Json entry = {{"type", type}};
  if (!path.empty()) entry["path"] = path;
  linux_config()["namespaces"].push_back(entry);
}

void Bundle::remove_namespace(const std::string& type) {
  Json& list = linux_config()["namespaces"];
  list.erase(
      std::remove_if(
          list.begin(), list.end(), [&](const Json& entry) { return entry["type"] == type; }),
      list.end());
}

void Bundle::remove_mount(const std::string& destination) {
  Json& list = config["mounts"];
  list.erase(std::remove_if(list.begin(),
                            list.end(),
                            [&](const Json& entry) { return entry["destination"] == destination; }),
             list.end());
}

void Bundle::use_user_namespace(unsigned first, unsigned size) {
  add_namespace("user");
  const Json mapping = Json::array({{{"containerID", 0}, {"hostID", first}, {"size", size}}});
  linux_config()["uidMappings"] = mapping;
  linux_config()["gidMappings"] = mapping;
}

void Bundle::make_directory(const std::string& path) const {
  fs::create_directories(rootfs() + "/" + path);
}

void Bundle::make_file(const std::string& path, const std::string& content) const {
  fs::create_directories(fs::path(rootfs() + "/" + path).parent_path());
  write_file(rootfs() + "/" + path, content);
}

void Bundle::write() const { write_text(config.dump(2)); }

void Bundle::write_text(const std::string& text) const {
  write_file(directory_ + "/config.json", text);
}

}  // namespace spec
