// A temporary folder, removed with all that is in it. Thread: any one at a time.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace rivulet::test {

class scratch {
  public:
    scratch() {
        std::string name = (std::filesystem::temp_directory_path() / "rivulet-XXXXXX").string();
        path_ = mkdtemp(name.data());
    }

    ~scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    std::string operator/(const std::string& name) const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

} // namespace rivulet::test
