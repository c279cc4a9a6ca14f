// Small pictures, sounds and videos of every format that batch requests and results come in.
#pragma once

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace rivulet::test {

// "still.png", "sound.wav", "clip.mp4", …: the seeds of the media fuzzer.
inline std::string batch_sample(const std::string& name) {
    std::ifstream file(
        std::string(RIVULET_TEST_DATA) + "/corpus/media_probe/" + name, std::ios::binary
    );
    if (!file)
        throw std::runtime_error("no sample " + name);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace rivulet::test
