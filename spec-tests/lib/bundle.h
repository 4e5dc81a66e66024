// Builds bundles: a root file system that holds nothing but the checker and empty directories, and
// a config.json.
#pragma once

#include <string>
#include <vector>

#include "json.h"

namespace spec {

using Json = nlohmann::json;

class Bundle {
 public:
  // Makes directory/rootfs with the checker at /bin/checker (a hard link of checker when possible).
  Bundle(std::string directory, const std::string& checker, const std::string& cgroups_path);

  const std::string& directory() const { return directory_; }
  std::string rootfs() const { return directory_ + "/rootfs"; }

  // A complete, ordinary configuration that a case edits. Everything in it is plain enough for any
  // runtime.
  Json config;

  Json& process() { return config["process"]; }
  Json& linux_config() { return config["linux"]; }
  Json& resources() { return config["linux"]["resources"]; }

  // process.args = /bin/checker followed by the given words.
  void set_command(std::vector<std::string> words);
  void add_mount(Json mount) { config["mounts"].push_back(std::move(mount)); }
  void add_namespace(const std::string& type, const std::string& path = "");
  void remove_namespace(const std::string& type);
  void remove_mount(const std::string& destination);
  // A new user namespace with container ids 0.. mapped to host ids first..; mounts that a user
  // namespace can't make are adapted.
  void use_user_namespace(unsigned first = 100000, unsigned size = 65536);

  // Makes a directory, or a file with content, below the rootfs.
  void make_directory(const std::string& path) const;
  void make_file(const std::string& path, const std::string& content = "") const;

  // Writes config.json; as_text replaces the generated text (for malformed documents).
  void write() const;
  void write_text(const std::string& text) const;

 private:
  std::string directory_;
};

Json base_config(const std::string& cgroups_path);

}  // namespace spec
