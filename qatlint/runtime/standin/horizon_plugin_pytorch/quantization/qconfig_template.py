"""Templates of qconfigs: names only."""

from __future__ import annotations

from .._absent import Absent, missing

ConvDtypeTemplate = Absent("ConvDtypeTemplate")
HighPrecisionOutputTemplate = Absent("HighPrecisionOutputTemplate")
MatmulDtypeTemplate = Absent("MatmulDtypeTemplate")
ModuleNameQconfigSetter = Absent("ModuleNameQconfigSetter")
ModuleNameTemplate = Absent("ModuleNameTemplate")
TemplateQconfigSetter = Absent("TemplateQconfigSetter")
default_calibration_qconfig_setter = Absent("default_calibration_qconfig_setter")
default_qat_fixed_act_qconfig_setter = Absent("default_qat_fixed_act_qconfig_setter")
default_qat_qconfig_setter = Absent("default_qat_qconfig_setter")
sensitive_op_calibration_8bit_weight_16bit_act_qconfig_setter = Absent(
    "sensitive_op_calibration_8bit_weight_16bit_act_qconfig_setter"
)
sensitive_op_qat_8bit_weight_16bit_act_qconfig_setter = Absent(
    "sensitive_op_qat_8bit_weight_16bit_act_qconfig_setter"
)
__getattr__ = missing(__name__)
