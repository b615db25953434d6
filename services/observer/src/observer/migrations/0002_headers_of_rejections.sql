-- A refused message keeps its headers, too: [[name, value in base64], ...], erased with the payload.
ALTER TABLE observer.rejections ADD COLUMN IF NOT EXISTS headers text;
