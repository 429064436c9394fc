// Class weights of the loss.
#pragma once

#include "data/diagnostics.h"
#include "data/example_source.h"
#include "runtime/config/config.h"
#include "runtime/tasks/task.h"
#include "tensor/device.h"

namespace temper {

/// f32 [classes] as [train] class_weights and class_weight_values ask for; undefined where all classes count 1.
/// "balanced" weighs by inverse frequency so that the mean over the rows that an epoch takes is 1. Throws a usage Error
/// for tasks without classes and for another number of weights than classes.
Tensor class_weights(const TrainSection& train, const TaskSpec& task, const ExampleSource& rows, std::size_t classes,
                     Device& device);

/// What a user is told of rare labels: weights where the loss takes some and has none.
RareLabelAdvice rare_label_advice(const TrainSection& train, LabelKind kind);

}  // namespace temper
