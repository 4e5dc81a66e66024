#include "state_check.h"

#include <regex>
#include <set>

#include <gtest/gtest.h>

namespace spec {

bool is_semantic_version(const std::string& text) {
  static const std::regex kForm(
      R"((0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?)");
  return std::regex_match(text, kForm);
}

void expect_valid_state(const Json& document,
                        const std::string& id,
                        const Bundle& bundle,
                        const std::string& status) {
  SCOPED_TRACE("state: " + document.dump(-1, ' ', false, Json::error_handler_t::replace));
  ASSERT_TRUE(document.is_object()) << "the state is not a JSON object";
  for (const char* member : {"ociVersion", "id", "status", "bundle"}) {
    ASSERT_TRUE(document.contains(member)) << member << " is REQUIRED";
    ASSERT_TRUE(document[member].is_string()) << member << " is not a string";
  }
  EXPECT_TRUE(is_semantic_version(document["ociVersion"]))
      << "ociVersion " << document["ociVersion"];
  EXPECT_EQ(document["id"], id);
  EXPECT_EQ(document["bundle"], bundle.directory());
  const std::string actual = document["status"];
  if (status.empty()) {
    static const std::set<std::string> kDefined = {"creating", "created", "running", "stopped"};
    EXPECT_TRUE(kDefined.contains(actual)) << "status " << actual;
  } else {
    EXPECT_EQ(actual, status);
  }
  const bool pid_required = actual == "created" || actual == "running";
  if (document.contains("pid")) {
    EXPECT_TRUE(document["pid"].is_number_integer()) << "pid is not an integer";
    if (document["pid"].is_number_integer()) {
      EXPECT_GE(document["pid"].get<int>(), pid_required ? 1 : 0);
    }
  } else {
    EXPECT_FALSE(pid_required) << "pid is REQUIRED when the status is " << actual;
  }
  const Json expected = bundle.config.value("annotations", Json::object());
  EXPECT_EQ(document.value("annotations", Json::object()), expected);
}

}  // namespace spec
