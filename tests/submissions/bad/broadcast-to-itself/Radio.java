import java.net.*;
import java.nio.charset.StandardCharsets;

public class Radio {
    public static void main(String[] args) throws Exception {
        DatagramSocket radio = new DatagramSocket(null);
        radio.setReuseAddress(true);
        radio.bind(new InetSocketAddress("0.0.0.0", Integer.parseInt(args[0])));
        while (true) {
            DatagramPacket wave = new DatagramPacket(new byte[4096], 4096);
            radio.receive(wave);
            System.out.println("♪ " + new String(wave.getData(), 0, wave.getLength(), StandardCharsets.UTF_8));
        }
    }
}
