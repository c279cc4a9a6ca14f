// What the rows of batch_model.cpp point to; one file each.
#pragma once

#include "worker/batch_model.hpp"

namespace rivulet::worker {

// The prompt on a test card whose colours and pattern follow from prompt and seed.
outcome<model_answer> draw_test_cards(const model_call& call);
// The prompt is a libavfilter graph (filter_graph_rules.hpp).
outcome<model_answer> filter_picture(const model_call& call);
// Four times as wide and high.
outcome<model_answer> enlarge_picture(const model_call& call);
// A camera that moves over the picture: 25 frames of H.264 in MP4.
outcome<model_answer> pan_and_zoom(const model_call& call);

// eSpeak NG. The description may name a language and a manner.
bool can_speak();
outcome<model_answer> speak_text(const model_call& call);

// Tesseract, English.
bool can_read();
outcome<model_answer> read_picture(const model_call& call);

// PocketSphinx, English.
bool can_hear();
outcome<model_answer> transcribe_sound(const model_call& call);

} // namespace rivulet::worker
