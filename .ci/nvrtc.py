"""Compiles CUDA texts with NVRTC and reads what ptxas says of registers and spills.

Usage: nvrtc.py FOLDER TEXT...   FOLDER is where pip put the wheel nvidia-cuda-nvrtc-cu12.
"""

import ctypes
import pathlib
import re
import sys
import time

ARCHITECTURES = ["sm_80", "sm_90"]
OPTIONS = ["--fmad=false", "--ptxas-options=-v", "--std=c++17"]


def compile_text(nvrtc, text, architecture):
    """Whether it compiles, and the compiler's log."""
    program = ctypes.c_void_p()
    made = nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, b"kernels.cu", 0, None, None)
    assert made == 0, "NVRTC makes no program"
    options = [f"--gpu-architecture={architecture}".encode()] + [option.encode() for option in OPTIONS]
    array = (ctypes.c_char_p * len(options))(*options)
    result = nvrtc.nvrtcCompileProgram(program, len(options), array)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return result == 0, log.value.decode()


def main():
    folder, texts = pathlib.Path(sys.argv[1]), sys.argv[2:]
    library = next(folder.glob("nvidia/cuda_nvrtc/lib/libnvrtc.so*"))
    nvrtc = ctypes.CDLL(str(library))
    nvrtc.nvrtcCompileProgram.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]
    nvrtc.nvrtcGetProgramLogSize.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t)]
    nvrtc.nvrtcGetProgramLog.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    failed = False
    for path in texts:
        text = pathlib.Path(path).read_bytes()
        for architecture in ARCHITECTURES:
            start = time.process_time()
            compiled, log = compile_text(nvrtc, text, architecture)
            seconds = time.process_time() - start
            registers = [int(n) for n in re.findall(r"Used (\d+) registers", log)]
            spilled = re.findall(r"properties for (\w+)\n\D*\d+ bytes stack frame, ([1-9]\d*) bytes spill", log)
            name = pathlib.Path(path).stem
            print(f"{name} {architecture}: {len(registers)} kernels in {seconds:.1f} s of a core, at most {max(registers, default=0)} registers")
            for kernel, size in spilled:
                print(f"  {kernel} spills {size} bytes")
            if not compiled:
                print(log)
            failed |= bool(spilled) or not compiled or not registers
    sys.exit(failed)


main()
